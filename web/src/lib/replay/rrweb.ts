// What the player itself reads of rrweb's events; rrweb's replayer reads the rest.

export const kFull = 2;
export const kIncremental = 3;
export const kMeta = 4;
export const kCustom = 5;
export const kPlugin = 6;

export const kMutation = 0;
export const kMouseInteraction = 2;
export const kMediaInteraction = 7;
export const kStyleSheetRule = 8;
export const kCanvasMutation = 9;
export const kFont = 10;
export const kStyleDeclaration = 13;
export const kAdoptedStyleSheet = 15;
/** Mouse, touch, scrolling, resizing, typing, media, dragging: a person did something. */
const kActive = new Set([1, 2, 3, 4, 5, 6, 7, 12]);

export type Members = Record<string, unknown>;

export interface RrwebEvent {
  type: number;
  timestamp: number;
  data: Members;
  /** posthog-js: parts of `data` are gzip, as text of Latin-1 characters. */
  cv?: unknown;
}

export interface RrwebNode {
  type: number;
  id: number;
  tagName?: string;
  attributes?: Members;
  childNodes?: RrwebNode[];
  textContent?: unknown;
}

export function is_object(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function list_of(value: unknown): Members[] {
  return Array.isArray(value) ? value.filter(is_object) : [];
}

/** An event as a line of a recording carries it, or null: recordings come from pages, not from us. */
export function as_event(value: unknown): RrwebEvent | null {
  if (!is_object(value)) return null;
  const { type, timestamp, data } = value;
  if (typeof type !== "number" || typeof timestamp !== "number") return null;
  if (!is_object(data) && typeof data !== "string") return null;
  return value as unknown as RrwebEvent;
}

export function source_of(event: RrwebEvent): number | null {
  return event.type === kIncremental ? Number(event.data["source"]) : null;
}

export function is_activity(event: RrwebEvent): boolean {
  return event.type === kIncremental && kActive.has(Number(event.data["source"]));
}
