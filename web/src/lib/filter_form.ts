// An app's filters, as PostHog stores them, and the form they are edited in.

export type FilterType = "event" | "person" | "group" | "element" | "event_metadata" | "hogql" | "cohort";

export interface PropertyFilter {
  key: string;
  type?: FilterType;
  operator?: string;
  value?: unknown;
  group_type_index?: number;
}

export interface EventFilter {
  id: string | null;
  name?: string;
  type?: string;
  order?: number;
  properties?: PropertyFilter[];
}

export interface AppFilters {
  events?: EventFilter[];
  actions?: unknown[];
  properties?: PropertyFilter[];
  filter_test_accounts?: boolean;
  bytecode?: unknown[] | null;
  bytecode_error?: string;
  [other: string]: unknown;
}

export const kFilterTypes: { value: FilterType; label: string }[] = [
  { value: "event", label: "Event property" },
  { value: "person", label: "Person property" },
  { value: "group", label: "Group property" },
  { value: "element", label: "Clicked element" },
  { value: "hogql", label: "Hog expression" },
];

export const kElementKeys = [
  { value: "href", label: "Link address" },
  { value: "text", label: "Text" },
  { value: "tag_name", label: "Tag" },
  { value: "selector", label: "Elements chain" },
];

interface Operator {
  value: string;
  label: string;
  takes: "nothing" | "text" | "texts" | "number" | "numbers";
}

export const kOperators: Operator[] = [
  { value: "exact", label: "is", takes: "texts" },
  { value: "is_not", label: "is not", takes: "texts" },
  { value: "icontains", label: "contains", takes: "text" },
  { value: "not_icontains", label: "does not contain", takes: "text" },
  { value: "regex", label: "matches regex", takes: "text" },
  { value: "not_regex", label: "does not match regex", takes: "text" },
  { value: "is_set", label: "is set", takes: "nothing" },
  { value: "is_not_set", label: "is not set", takes: "nothing" },
  { value: "gt", label: "is more than", takes: "number" },
  { value: "gte", label: "is at least", takes: "number" },
  { value: "lt", label: "is less than", takes: "number" },
  { value: "lte", label: "is at most", takes: "number" },
  { value: "between", label: "is between", takes: "numbers" },
  { value: "not_between", label: "is not between", takes: "numbers" },
  { value: "is_date_before", label: "is before", takes: "text" },
  { value: "is_date_after", label: "is after", takes: "text" },
];

export const operator_of = (filter: PropertyFilter): Operator =>
  kOperators.find((o) => o.value === (filter.operator ?? "exact")) ?? {
    value: filter.operator ?? "",
    label: filter.operator ?? "",
    takes: "text",
  };

/** As texts to edit. */
export function values_of(filter: PropertyFilter): string[] {
  if (filter.value === undefined || filter.value === null) return [];
  return (Array.isArray(filter.value) ? filter.value : [filter.value]).map((v) =>
    typeof v === "string" ? v : JSON.stringify(v),
  );
}

const number_or_text = (text: string): number | string =>
  text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : text;

/** What stands in the filter for the texts typed: one value for itself, numbers where they are compared. */
export function value_for(filter: PropertyFilter, texts: string[]): unknown {
  const { takes } = operator_of(filter);
  if (takes === "nothing" || texts.length === 0) return undefined;
  if (takes === "numbers") return texts.map(number_or_text);
  if (takes === "number") return number_or_text(texts[0] ?? "");
  return texts.length === 1 ? texts[0] : texts;
}

/** The same filter with another operator: what it compares with stays, where that means something. */
export function with_operator(filter: PropertyFilter, operator: string): PropertyFilter {
  const changed = { ...filter, operator };
  const { takes } = operator_of(changed);
  const texts = values_of(filter);
  const kept = takes === "texts" || takes === "numbers" ? texts : texts.slice(0, 1);
  return { ...changed, value: value_for(changed, kept) };
}

export function is_complete(filter: PropertyFilter): boolean {
  if (filter.key.trim() === "") return false;
  if (filter.type === "hogql") return true;
  const { takes } = operator_of(filter);
  const given = values_of(filter).filter((text) => text !== "").length;
  if (takes === "nothing") return true;
  return takes === "numbers" ? given === 2 : given > 0;
}

/** What is sent: rows that are not filled in yet say nothing. */
export function written_filters(filters: AppFilters): AppFilters {
  const { bytecode: _bytecode, bytecode_error: _error, ...rest } = filters;
  const events = (filters.events ?? []).map((event, order) => ({
    ...event,
    name: event.name ?? event.id ?? "All events",
    type: "events",
    order,
    properties: (event.properties ?? []).filter(is_complete),
  }));
  return { ...rest, events, properties: (filters.properties ?? []).filter(is_complete) };
}

/** Whether an app with them still sees every event. */
export function lets_all_pass(filters: AppFilters): boolean {
  const { events, actions, properties, filter_test_accounts } = written_filters(filters);
  return !events?.length && !actions?.length && !properties?.length && !filter_test_accounts;
}

/** Whether they look at persons or groups, which an app that changes events cannot know yet. */
export function looks_at_persons(filters: AppFilters, test_accounts: PropertyFilter[]): boolean {
  const all = [
    ...(filters.properties ?? []),
    ...(filters.events ?? []).flatMap((e) => e.properties ?? []),
    ...(filters.filter_test_accounts ? test_accounts : []),
  ];
  return all.some((f) => f.type === "person" || f.type === "group");
}
