// The setting "ingestion" as a form, and back. Pure; what is wrong with a value the API says.

export type FilterMode = "disabled" | "dry_run" | "live";

/** A condition tree in the API's form. */
export type Filter = Record<string, unknown>;

export interface Ingestion {
  anonymize_ips?: boolean;
  person_processing_opt_out?: boolean;
  drop_events_older_than_seconds?: number | null;
  groupidentify_without_person_processing?: "drop" | "keep";
  feature_flag_called_personless?: boolean;
  person_last_seen?: boolean;
  strip_sdk_state?: boolean;
  event_filters?: { mode?: FilterMode; filter?: Filter | null } | null;
  schemas?: unknown[];
}

export interface Test {
  field: "event" | "distinct_id";
  how: "exact" | "contains";
  text: string;
}

export interface IngestionForm {
  switches: Record<string, boolean>;
  hours: string;
  mode: FilterMode;
  /** One of them is enough; null: a tree that this form cannot show, kept as it is. */
  tests: Test[] | null;
}

interface Switch {
  id: string;
  label: string;
  hint: string;
  read: (s: Ingestion) => boolean;
  write: (s: Ingestion, on: boolean) => void;
}

export const kSwitches: Switch[] = [
  {
    id: "anonymize_ips",
    label: "Do not keep addresses",
    hint: "$ip is taken out of every event before it is stored.",
    read: (s) => s.anonymize_ips ?? false,
    write: (s, on) => (s.anonymize_ips = on),
  },
  {
    id: "person_processing_opt_out",
    label: "No person profiles",
    hint: "Every event is stored without a person; identify, alias and group events are dropped.",
    read: (s) => s.person_processing_opt_out ?? false,
    write: (s, on) => (s.person_processing_opt_out = on),
  },
  {
    id: "feature_flag_called_personless",
    label: "Flag calls make no persons",
    hint: "$feature_flag_called of somebody unknown creates no profile.",
    read: (s) => s.feature_flag_called_personless ?? false,
    write: (s, on) => (s.feature_flag_called_personless = on),
  },
  {
    id: "groupidentify_keep",
    label: "Keep group events without a profile",
    hint: "$groupidentify with $process_person_profile: false is stored, its group is not written. Off: it is dropped.",
    read: (s) => s.groupidentify_without_person_processing === "keep",
    write: (s, on) => (s.groupidentify_without_person_processing = on ? "keep" : "drop"),
  },
  {
    id: "person_last_seen",
    label: "Keep when somebody was last seen",
    hint: "A person's last_seen_at follows their events, to the hour: one more write per person and hour. $update_person_last_seen_at: false leaves an event out.",
    read: (s) => s.person_last_seen ?? false,
    write: (s, on) => (s.person_last_seen = on),
  },
  {
    id: "strip_sdk_state",
    label: "Leave out what SDKs only remember",
    hint: "As PostHog does: product tours, flag overrides, and on flag calls whose answer is no variant your own properties.",
    read: (s) => s.strip_sdk_state ?? true,
    write: (s, on) => (s.strip_sdk_state = on),
  },
];

function test_of(node: unknown): Test | null {
  if (typeof node !== "object" || node === null || Object.keys(node).length !== 1) return null;
  const [field, test] = Object.entries(node)[0] as [string, unknown];
  if ((field !== "event" && field !== "distinct_id") || typeof test !== "object" || test === null) return null;
  const [how, text] = (Object.entries(test)[0] ?? []) as [string?, unknown?];
  if ((how !== "exact" && how !== "contains") || typeof text !== "string") return null;
  return { field, how, text };
}

function tests_of(filter: Filter | null | undefined): Test[] | null {
  if (!filter) return [];
  const nodes = Array.isArray(filter["or"]) ? (filter["or"] as unknown[]) : [filter];
  const tests = nodes.map(test_of);
  return tests.every((t) => t !== null) ? tests : null;
}

export function to_form(saved: Ingestion): IngestionForm {
  const seconds = saved.drop_events_older_than_seconds ?? 0;
  return {
    switches: Object.fromEntries(kSwitches.map((s) => [s.id, s.read(saved)])),
    hours: seconds > 0 ? String(seconds / 3600) : "",
    mode: saved.event_filters?.mode ?? "disabled",
    tests: tests_of(saved.event_filters?.filter),
  };
}

/** What was saved before and the form does not show stays. */
export function from_form(form: IngestionForm, before: Ingestion): Ingestion {
  const out: Ingestion = { ...before };
  for (const s of kSwitches) {
    if (s.read(before) !== form.switches[s.id]) s.write(out, form.switches[s.id] ?? false);
  }
  const hours = form.hours.trim();
  if (hours === "") delete out.drop_events_older_than_seconds;
  else out.drop_events_older_than_seconds = Math.round(Number(hours) * 3600);
  const tests = form.tests?.filter((t) => t.text !== "").map((t) => ({ [t.field]: { [t.how]: t.text } }));
  const filter = tests === undefined ? before.event_filters?.filter : tests.length > 0 ? { or: tests } : undefined;
  if (form.mode === "disabled" && !filter) delete out.event_filters;
  else out.event_filters = { mode: form.mode, ...(filter ? { filter } : {}) };
  return out;
}
