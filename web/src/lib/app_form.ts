// The form of an app's configuration, from the schema in its plugin.json.
import type { AppField } from "../api/apps";

export type AppValues = Record<string, unknown>;

/** What stands for a secret that is set. */
export const is_kept_secret = (value: unknown): boolean =>
  typeof value === "object" && value !== null && (value as { secret?: unknown }).secret === true;

/** Of an attachment that is set; "" for none. */
export function file_name_of(value: unknown): string {
  const name = typeof value === "object" && value !== null ? (value as { file_name?: unknown }).file_name : undefined;
  return typeof name === "string" ? name : "";
}

/** The fields to show now: some depend on others' values. */
export function visible_fields(schema: AppField[], values: AppValues): AppField[] {
  return schema.filter(
    (field) => !field.visible_if?.length || field.visible_if.every(([key, value]) => String(values[key] ?? "") === value),
  );
}

export function field_label(field: AppField): string {
  return field.name || field.label || field.key || "";
}

export function choices_of(field: AppField): { value: string; label: string }[] {
  return (field.choices ?? []).map((c) => (typeof c === "string" ? { value: c, label: c } : c));
}

/** As text for a field; a secret that is set shows as nothing. */
export function shown_value(field: AppField, values: AppValues): string {
  const value = field.key === undefined ? undefined : values[field.key] ?? field.default;
  if (value === undefined || value === null || is_kept_secret(value)) return "";
  return typeof value === "string" ? value : JSON.stringify(value, null, typeof value === "object" ? 2 : undefined);
}

/** Fields whose text is JSON, and of several lines. */
export const is_json_field = (field: AppField): boolean => field.type === "json" || field.type === "dictionary";

/** What was typed, as the server takes it: numbers and dictionaries are no texts, nor is JSON in Hog. What does not read stays a
 *  text, and the server says what is wrong with it. */
export function typed_values(schema: AppField[], values: AppValues, hog: boolean): AppValues {
  const out: AppValues = { ...values };
  for (const { key, type } of schema) {
    const value = key === undefined ? undefined : values[key];
    if (key === undefined || typeof value !== "string") continue;
    const number = type === "number" || type === "integer";
    if (value.trim() === "") {
      if (number || type === "dictionary") out[key] = null;
    } else if (number) {
      if (Number.isFinite(Number(value))) out[key] = Number(value);
    } else if (type === "dictionary" || (type === "json" && hog)) {
      try {
        out[key] = JSON.parse(value) as unknown;
      } catch {
        // the server's to tell
      }
    }
  }
  return out;
}

/** "" for what is empty, or the sentence that says what is missing. */
export function missing_value(schema: AppField[], values: AppValues): string {
  for (const field of visible_fields(schema, values)) {
    if (!field.required || field.key === undefined) continue;
    const value = values[field.key];
    if (is_kept_secret(value)) continue;
    if (shown_value(field, values) === "") return `${field_label(field)} needs a value.`;
  }
  return "";
}

/** The list with one entry moved to another's place. */
export function moved<T>(list: T[], from: number, to: number): T[] {
  const out = [...list];
  const [one] = out.splice(from, 1);
  if (one !== undefined) out.splice(to, 0, one);
  return out;
}

/** A file's bytes for a JSON body, in pieces, because a call takes only so many arguments. */
export async function base64_of_file(file: Blob): Promise<string> {
  const kPiece = 0x8000;
  const bytes = new Uint8Array(await file.arrayBuffer());
  let text = "";
  for (let at = 0; at < bytes.length; at += kPiece) text += String.fromCharCode(...bytes.subarray(at, at + kPiece));
  return btoa(text);
}
