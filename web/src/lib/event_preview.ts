// One line that tells an event from its neighbours in a list.
import type { TailEvent } from "../api/types";
import { words } from "./format";

const kPartsMax = 6;
/** What SDKs write into every event without a dollar sign; the list shows it elsewhere, or nobody needs it. */
const kEverywhere = new Set(["distinct_id", "token", "title", "navigation_type"]);
/** Of what SDKs add with one, what tells most. */
const kTelling = ["$exception_message", "$feature_flag", "$current_url", "$screen_name", "$lib"];

function text_of(value: unknown): string {
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function own(properties: Record<string, unknown>): string[] {
  const out: string[] = [];
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("$") || kEverywhere.has(name) || value === null || value === "") continue;
    out.push(`${name}: ${text_of(value)}`);
    if (out.length >= kPartsMax) break;
  }
  return out;
}

function telling(properties: Record<string, unknown>): string[] {
  const out: string[] = [];
  const kind = properties["$event_type"];
  const on = properties["$el_text"];
  if (typeof kind === "string" && kind) out.push(typeof on === "string" && on ? `${kind} “${on}”` : kind);
  for (const name of kTelling) {
    const value = properties[name];
    if (typeof value !== "string" || !value || (name === "$lib" && out.length > 0)) continue;
    out.push(value.replace(/^https?:\/\//, ""));
  }
  return out;
}

export function event_preview(event: TailEvent): string {
  if (event.outcome === "duplicate") return `another copy of ${event.uuid}`;
  if (event.outcome !== "accepted") return words(event.reason) || event.uuid;
  const properties = event.properties ?? {};
  // What an SDK sends by itself is told by what the SDK says, one's own event by one's own words.
  const parts = event.event?.startsWith("$")
    ? [...telling(properties), ...own(properties)]
    : [...own(properties)];
  return (parts.length > 0 ? parts : telling(properties)).slice(0, kPartsMax).join("  ·  ");
}
