// How a person is called, and what its filters say.
import type { FilterOperator, PersonFilter } from "../api/persons";
import { sql_text } from "./sql_text";

const kNameKeys = ["email", "$email", "Email", "name", "$name", "username", "Name"];

/** What people call somebody: email, then name, then an id they were seen with. */
export function person_name(properties: Record<string, unknown>, distinct_ids: string[], id: string): string {
  for (const key of kNameKeys) {
    const value = properties[key];
    if (typeof value === "string" && value.trim() !== "") return value.slice(0, 200);
  }
  return telling_id(distinct_ids) ?? id;
}

/** Of several ids the one that somebody chose: SDKs make uuids for those they do not know. */
export function telling_id(distinct_ids: string[]): string | undefined {
  return distinct_ids.find((d) => !/^[0-9a-f-]{32,}$/i.test(d)) ?? distinct_ids[0];
}

/** What was set on purpose first, then what SDKs add, then how it all began. */
export function in_order_of_interest(properties: Record<string, unknown>): Record<string, unknown> {
  const rank = (key: string): number => (key.startsWith("$initial_") ? 2 : key.startsWith("$") ? 1 : 0);
  const keys = Object.keys(properties).sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
  return Object.fromEntries(keys.map((key) => [key, properties[key]]));
}

export const kOperators: { value: FilterOperator; label: string; word: string }[] = [
  { value: "exact", label: "is", word: "=" },
  { value: "is_not", label: "is not", word: "≠" },
  { value: "icontains", label: "contains", word: "contains" },
  { value: "not_icontains", label: "does not contain", word: "without" },
  { value: "is_set", label: "is set", word: "is set" },
  { value: "is_not_set", label: "is not set", word: "is not set" },
];

export function needs_value(operator: FilterOperator): boolean {
  return operator !== "is_set" && operator !== "is_not_set";
}

export function filter_text(filter: PersonFilter): string {
  const word = kOperators.find((o) => o.value === filter.operator)?.word ?? filter.operator;
  return needs_value(filter.operator) ? `${filter.key} ${word} ${filter.value || "(empty)"}` : `${filter.key} ${word}`;
}

/** Filters as they stand in an address; what cannot be one is left out. */
export function parse_filters(text: string | null): PersonFilter[] {
  try {
    const list: unknown = JSON.parse(text ?? "[]");
    if (!Array.isArray(list)) return [];
    return list.filter(
      (f): f is PersonFilter =>
        typeof f === "object" && f !== null && typeof (f as PersonFilter).key === "string" &&
        kOperators.some((o) => o.value === (f as PersonFilter).operator),
    );
  } catch {
    return [];
  }
}

export function person_path(id: string): string {
  return `/persons/${id}`;
}

/** Leads to the person through an id it was seen with: right after merges, too. */
export function person_of_path(distinct_id: string): string {
  return `/persons/of?distinct_id=${encodeURIComponent(distinct_id)}`;
}

const kLatest = "ORDER BY timestamp DESC\nLIMIT 100";

/** Over all ids that are the person's now, whatever person the rows name. */
export function person_sql(id: string): string {
  return `SELECT timestamp, event, distinct_id, properties, uuid
FROM events
WHERE distinct_id IN (
  SELECT distinct_id FROM person_distinct_id2 FINAL
  WHERE person_id = ${sql_text(id)} AND is_deleted = 0)
${kLatest}`;
}

export function distinct_id_sql(distinct_id: string): string {
  return `SELECT timestamp, event, person_mode, properties, uuid
FROM events
WHERE distinct_id = ${sql_text(distinct_id)}
${kLatest}`;
}

/** The query that an address leads to; the query is made here, so no address runs SQL of its own. */
export function sql_of_address(params: URLSearchParams): string | null {
  const person = params.get("person");
  if (person) return person_sql(person);
  const id = params.get("distinct_id");
  return id ? distinct_id_sql(id) : null;
}
