// The setting "admission" as text fields, and back. Pure; what is wrong with a value the API says.

export interface Quota {
  resource: string;
  events_per_month_max?: number | null;
  limited_until?: string | null;
}

export interface Restriction {
  type: string;
  pipelines?: string[];
  distinct_ids?: string[];
  session_ids?: string[];
  event_names?: string[];
  event_uuids?: string[];
  topic?: string;
}

export interface Admission {
  weight?: number;
  cors_origins?: string[];
  overflow?: { events_per_second?: number; burst?: number } | null;
  ai_bytes?: { bytes_per_second?: number; burst?: number } | null;
  historical_only?: boolean;
  historical_after_days?: number | null;
  quotas?: Quota[];
  restrictions?: Restriction[];
}

export const kResources = [
  { name: "events", label: "Events" },
  { name: "exceptions", label: "Exceptions" },
  { name: "surveys", label: "Survey responses" },
  { name: "llm_events", label: "LLM events" },
  { name: "recordings", label: "Recordings" },
  { name: "feature_flags", label: "Flag requests" },
] as const;

export const kRestrictionTypes = [
  { value: "drop_event_from_ingestion", label: "Drop" },
  { value: "redirect_to_dlq", label: "Send to quarantine" },
  { value: "redirect_to_topic", label: "Redirect to a topic" },
  { value: "force_overflow_from_ingestion", label: "Send through overflow" },
  { value: "skip_person_processing", label: "Skip person processing" },
];

export const kFilters = [
  { name: "event_names", label: "Event names" },
  { name: "distinct_ids", label: "Distinct ids" },
  { name: "session_ids", label: "Session ids" },
  { name: "event_uuids", label: "Event UUIDs" },
  { name: "pipelines", label: "Pipelines" },
] as const;

export type FilterName = (typeof kFilters)[number]["name"];

export interface RestrictionForm extends Record<FilterName, string> {
  type: string;
  topic: string;
}

export interface IntakeForm {
  limits: Record<string, string>;
  weight: string;
  rate: string;
  burst: string;
  days: string;
  ai_rate: string;
  ai_burst: string;
  historical_only: boolean;
  origins: string;
  restrictions: RestrictionForm[];
}

const shown = (n: number | null | undefined): string => (n === undefined || n === null ? "" : String(n));
const lines = (list: string[] | undefined): string => (list ?? []).join("\n");

export function empty_restriction(): RestrictionForm {
  return {
    type: "drop_event_from_ingestion",
    topic: "",
    event_names: "",
    distinct_ids: "",
    session_ids: "",
    event_uuids: "",
    pipelines: "",
  };
}

export function to_form(a: Admission): IntakeForm {
  const limit = (name: string): string =>
    shown(a.quotas?.find((q) => q.resource === name)?.events_per_month_max);
  return {
    limits: Object.fromEntries(kResources.map(({ name }) => [name, limit(name)])),
    weight: shown(a.weight),
    rate: shown(a.overflow?.events_per_second),
    burst: shown(a.overflow?.burst),
    days: shown(a.historical_after_days),
    ai_rate: shown(a.ai_bytes?.bytes_per_second),
    ai_burst: shown(a.ai_bytes?.burst),
    historical_only: a.historical_only ?? false,
    origins: lines(a.cors_origins),
    restrictions: (a.restrictions ?? []).map((r) => ({
      type: r.type,
      topic: r.topic ?? "",
      event_names: lines(r.event_names),
      distinct_ids: lines(r.distinct_ids),
      session_ids: lines(r.session_ids),
      event_uuids: lines(r.event_uuids),
      pipelines: lines(r.pipelines),
    })),
  };
}

/** A number where it is one; else the text, which the API refuses with a sentence. */
function number_of(text: string): number {
  const plain = text.trim().replaceAll(/[,_ ]/g, "");
  const value = Number(plain);
  return (plain !== "" && Number.isFinite(value) ? value : plain) as number;
}

const entries = (text: string): string[] =>
  text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");

/** What to write; keeps of `before` what the form does not show. */
export function from_form(form: IntakeForm, before: Admission): Admission {
  const out: Admission = {};
  if (form.weight.trim()) out.weight = number_of(form.weight);
  const origins = entries(form.origins);
  if (origins.length > 0) out.cors_origins = origins;
  if (form.rate.trim() || form.burst.trim()) {
    out.overflow = {
      ...(form.rate.trim() ? { events_per_second: number_of(form.rate) } : {}),
      ...(form.burst.trim() ? { burst: number_of(form.burst) } : {}),
    };
  }
  if (form.ai_rate.trim() || form.ai_burst.trim()) {
    out.ai_bytes = {
      ...(form.ai_rate.trim() ? { bytes_per_second: number_of(form.ai_rate) } : {}),
      ...(form.ai_burst.trim() ? { burst: number_of(form.ai_burst) } : {}),
    };
  }
  if (form.historical_only) out.historical_only = true;
  if (form.days.trim()) out.historical_after_days = number_of(form.days);
  const quotas = kResources.flatMap(({ name }): Quota[] => {
    const limit = form.limits[name]?.trim() ?? "";
    const until = before.quotas?.find((q) => q.resource === name)?.limited_until;
    if (limit === "" && !until) return [];
    return [
      {
        resource: name,
        ...(limit === "" ? {} : { events_per_month_max: number_of(limit) }),
        ...(until ? { limited_until: until } : {}),
      },
    ];
  });
  if (quotas.length > 0) out.quotas = quotas;
  const restrictions = form.restrictions.map((r) => {
    const rule: Restriction = { type: r.type };
    for (const { name } of kFilters) {
      const list = entries(r[name]);
      if (list.length > 0) rule[name] = list;
    }
    if (r.type === "redirect_to_topic" || r.topic.trim()) rule.topic = r.topic.trim();
    return rule;
  });
  if (restrictions.length > 0) out.restrictions = restrictions;
  return out;
}
