// SQL over the events of one group, and the address of its page.
import { sql_text } from "./sql_text";

/** Groups have no index of their own among the events: so many days back are read. */
export const kGroupDays = 30;

export function group_path(type: number, key: string): string {
  return `/groups/${type}/of?key=${encodeURIComponent(key)}`;
}

/** Keys that are no text stand in the column as they were sent. */
function of_group(type: number, key: string): string {
  const text = sql_text(key);
  return `timestamp > now() - INTERVAL ${kGroupDays} DAY AND (JSONExtractString(properties, '$group_${type}') = ${text} OR \`$group_${type}\` = ${text})`;
}

const iso = (time: string): string => `concat(replaceOne(toString(toDateTime64(${time}, 3, 'UTC')), ' ', 'T'), 'Z')`;

export function totals_sql(type: number, key: string): string {
  return `SELECT count(), uniqIf(person_id, person_mode = 'full'), ${iso("min(timestamp)")}, ${iso("max(timestamp)")}
FROM events WHERE ${of_group(type, key)}`;
}

export function events_sql(type: number, key: string, limit: number): string {
  return `SELECT toString(uuid), event, ${iso("timestamp")} AS at, distinct_id
FROM events WHERE ${of_group(type, key)}
ORDER BY timestamp DESC, uuid LIMIT ${limit}`;
}

export function members_sql(type: number, key: string, limit: number): string {
  return `SELECT toString(person_id), argMax(distinct_id, timestamp), count(), ${iso("max(timestamp)")} AS last
FROM events WHERE ${of_group(type, key)}
GROUP BY person_id ORDER BY last DESC, person_id LIMIT ${limit}`;
}
