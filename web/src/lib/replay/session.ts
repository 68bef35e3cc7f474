// What one session's events say about its time: where a person did something, in which window, what
// stands out, and what the console said. Built event by event, in the order of time, within bounds.
import {
  is_activity,
  kCustom,
  kFull,
  kMeta,
  kMouseInteraction,
  kPlugin,
  list_of,
  is_object,
  source_of,
  type RrwebEvent,
} from "./rrweb";

/** A pause shorter than this is watched, a longer one may be skipped. */
export const kIdleMs = 5_000;
export const kConsoleLinesMax = 5_000;
const kConsoleTextMax = 2_000;
const kMarkersMax = 2_000;
/** How posthog-js says that a page without a load has another address. */
const kPageTags = new Set<unknown>(["$pageview", "$url_changed"]);
const kClick = 2;
const kDoubleClick = 4;

export type MarkerKind = "page" | "click" | "error";

export interface Marker {
  at: number;
  kind: MarkerKind;
  label: string;
}

export type Level = "log" | "warn" | "error";

export interface ConsoleLine {
  at: number;
  level: Level;
  text: string;
}

export interface Span {
  from: number;
  to: number;
}

/** From `from` on, until the next segment, this window is the one to look at. */
export interface Segment {
  from: number;
  window: string;
}

function level_of(name: unknown): Level {
  if (name === "error" || name === "assert") return "error";
  return name === "warn" || name === "countReset" ? "warn" : "log";
}

/** rrweb writes each argument as JSON; a text among them is read as text. */
function console_text(payload: unknown): string {
  const parts = Array.isArray(payload) ? payload : [];
  const text = parts.map((part) => {
    if (typeof part !== "string") return JSON.stringify(part) ?? "";
    if (!/^".*"$/s.test(part)) return part;
    try {
      return String(JSON.parse(part));
    } catch {
      return part;
    }
  });
  return text.join(" ").slice(0, kConsoleTextMax);
}

export class Session {
  start = 0;
  end = 0;
  readonly segments: Segment[] = [];
  readonly markers: Marker[] = [];
  readonly console: ConsoleLine[] = [];
  console_left_out = 0;
  /** Windows that have a picture: a session that lost its beginning may have none. */
  readonly drawable = new Set<string>();
  readonly #active: Span[] = [];
  #href = "";

  add(window: string, event: RrwebEvent): void {
    if (this.start === 0) this.start = event.timestamp;
    this.end = Math.max(this.end, event.timestamp);
    if (event.type === kFull) {
      this.drawable.add(window);
      if (this.segments.length === 0) this.segments.push({ from: event.timestamp, window });
    }
    if (is_activity(event)) this.#activity(window, event);
    else if (event.type === kMeta) this.#page(event.timestamp, event.data["href"]);
    else if (event.type === kCustom && kPageTags.has(event.data["tag"]) && is_object(event.data["payload"])) {
      this.#page(event.timestamp, event.data["payload"]["href"]);
    } else if (event.type === kPlugin) this.#plugin(event);
  }

  #activity(window: string, event: RrwebEvent): void {
    const at = event.timestamp;
    const last = this.#active.at(-1);
    // Mouse positions come in one event at their end.
    const first = list_of(event.data["positions"])[0]?.["timeOffset"];
    const from = at + (typeof first === "number" ? Math.max(-kIdleMs, Math.min(0, first)) : 0);
    if (last && from - last.to < kIdleMs) last.to = Math.max(last.to, at);
    else this.#active.push({ from, to: at });
    if (this.drawable.has(window) && this.segments.at(-1)?.window !== window) {
      this.segments.push({ from, window });
    }
    if (source_of(event) !== kMouseInteraction) return;
    const kind = event.data["type"];
    if (kind === kClick || kind === kDoubleClick) this.#mark(at, "click", kind === kClick ? "Click" : "Double click");
  }

  #page(at: number, href: unknown): void {
    if (typeof href !== "string" || href === this.#href) return;
    this.#href = href;
    this.#mark(at, "page", href);
  }

  #plugin(event: RrwebEvent): void {
    const payload = event.data["payload"];
    if (event.data["plugin"] !== "rrweb/console@1" || !is_object(payload)) return;
    const line = { at: event.timestamp, level: level_of(payload["level"]), text: console_text(payload["payload"]) };
    if (line.level === "error") this.#mark(line.at, "error", line.text);
    if (this.console.length < kConsoleLinesMax) this.console.push(line);
    else this.console_left_out++;
  }

  #mark(at: number, kind: MarkerKind, label: string): void {
    if (this.markers.length < kMarkersMax) this.markers.push({ at, kind, label: label.slice(0, 200) });
  }

  get duration(): number {
    return this.end - this.start;
  }

  /** Where nobody did anything for long enough to be worth skipping. */
  idle(): Span[] {
    const out: Span[] = [];
    let from = this.start;
    for (const span of [...this.#active, { from: this.end, to: this.end }]) {
      if (span.from - from >= kIdleMs) out.push({ from, to: span.from });
      from = Math.max(from, span.to);
    }
    return out;
  }

  segment_at(at: number): { segment: Segment; until: number } | null {
    if (this.segments.length === 0) return null;
    let i = this.segments.length - 1;
    while (i > 0 && (this.segments[i]?.from ?? 0) > at) i--;
    const segment = this.segments[i];
    return segment ? { segment, until: this.segments[i + 1]?.from ?? Number.POSITIVE_INFINITY } : null;
  }
}

/** The last entry at or before `at` of a list in the order of time, or -1. */
export function last_before(list: { at: number }[], at: number): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((list[middle]?.at ?? 0) <= at) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** "1:02:03" or "2:03": a place in a recording. */
export function place(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  const two = (n: number): string => String(n).padStart(2, "0");
  const minutes = Math.floor(s / 60);
  return minutes < 60
    ? `${minutes}:${two(s % 60)}`
    : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(s % 60)}`;
}
