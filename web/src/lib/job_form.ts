// The form of a public job, from publicJobs in an app's plugin.json.

export interface JobField {
  type?: string;
  title?: string;
  required?: boolean;
  default?: unknown;
}

export type PublicJobs = Record<string, { payload?: Record<string, JobField> | null } | null>;

/** What the form holds: texts, switches, and the two ends of a range of days. */
export type JobValue = string | boolean | [string, string];
export type JobValues = Record<string, JobValue>;

export interface JobShown {
  name: string;
  fields: [string, JobField][];
}

/** The job that the host runs for whatever exports events; it has a tab of its own. */
export const kPastEvents = "Export historical events";

export function jobs_shown(jobs: PublicJobs, exports: boolean): JobShown[] {
  return Object.entries(jobs)
    .filter(([name]) => !(exports && name === kPastEvents))
    .map(([name, spec]) => ({ name, fields: Object.entries(spec?.payload ?? {}) }));
}

export const job_label = (key: string, field: JobField): string => field.title || key;

export function first_value(field: JobField): JobValue {
  const value = field.default;
  if (field.type === "boolean") return value === true;
  if (field.type === "daterange") return Array.isArray(value) ? [String(value[0] ?? ""), String(value[1] ?? "")] : ["", ""];
  if (value === undefined || value === null) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

const is_empty = (value: JobValue): boolean => (Array.isArray(value) ? value.every((end) => end === "") : value === "");

/** "" or the sentence that says what is missing or wrong at a field. */
export function job_problem(field: JobField, value: JobValue): string {
  if (is_empty(value)) return field.required ? "It needs a value." : "";
  if (field.type === "number" && !Number.isFinite(Number(value))) return "This is no number.";
  if (field.type === "daterange" && Array.isArray(value) && value.includes("")) return "A range has two days.";
  if (field.type === "json" && typeof value === "string") {
    try {
      JSON.parse(value);
    } catch {
      return "This is no valid JSON.";
    }
  }
  return "";
}

/** What the job is given; fields without a value are left out. */
export function job_payload(fields: [string, JobField][], values: JobValues): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const [key, field] of fields) {
    const value = values[key] ?? first_value(field);
    if (is_empty(value)) continue;
    out[key] = field.type === "number" ? Number(value) : value;
  }
  return out;
}
