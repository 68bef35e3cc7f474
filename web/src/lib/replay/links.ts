// Between events and recordings: the query for one session's events, and where a row of a query's
// answer was recorded.
import type { QueryAnswer } from "../../api/types";
import { sql_text } from "../sql_text";
import { is_object } from "./rrweb";

export function session_sql(session: string): string {
  return `SELECT timestamp, event, distinct_id, properties, uuid
FROM events
WHERE \`$session_id\` = ${sql_text(session)}
ORDER BY timestamp`;
}

/** Names and times alone, for the pane beside the player. */
export function session_events_sql(session: string, limit: number): string {
  return `SELECT toUnixTimestamp64Milli(toDateTime64(timestamp, 3, 'UTC')) AS at, event, toString(uuid) AS uuid
FROM events
WHERE \`$session_id\` = ${sql_text(session)}
ORDER BY at, uuid
LIMIT ${limit}`;
}

export interface Moment {
  session: string;
  /** Milliseconds of the epoch; null when the row does not say. */
  at: number | null;
}

export function moment_path({ session, at }: Moment): string {
  const path = `/replay/${encodeURIComponent(session)}`;
  return at === null ? path : `${path}?t=${at}`;
}

/** The recording a row belongs to, where its columns say so. */
export function moment_of_row(answer: QueryAnswer, row: unknown[]): Moment | null {
  const cell = (name: string): unknown => row[answer.columns.indexOf(name)];
  let session = cell("$session_id");
  if (session === undefined && typeof cell("properties") === "string") {
    try {
      const properties: unknown = JSON.parse(cell("properties") as string);
      if (is_object(properties)) session = properties["$session_id"];
    } catch {
      return null;
    }
  }
  if (typeof session !== "string" || session === "") return null;
  // The engine answers times in UTC, without saying so.
  const at = Date.parse(`${String(cell("timestamp")).replace(" ", "T")}Z`);
  return { session, at: Number.isNaN(at) ? null : at };
}
