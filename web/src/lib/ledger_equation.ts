// The promise as arithmetic: received = stored + in flight + dropped + … for any set of counts.
// What left quarantine and was received again counts once here: the books have it twice in
// `received` and once in `redriven`.
import type { LedgerCounts } from "../api/types";
import { whole, words } from "./format";

export type PartKey =
  | "stored"
  | "in_flight"
  | "deduplicated"
  | "dropped"
  | "quarantined";

export interface Part {
  key: PartKey;
  label: string;
  value: number;
  help: string;
}

export interface Equation {
  /** Each event once. */
  received: number;
  /** Events of these that were received again, out of quarantine. */
  again: number;
  parts: Part[];
  sum: number;
  /** received − sum: not 0 means that an event is unaccounted for. */
  difference: number;
}

const kParts: { key: PartKey; label: string; help: string }[] = [
  { key: "stored", label: "stored", help: "Rows you can query." },
  {
    key: "in_flight",
    label: "in flight",
    help: "Durable in the log, on the way to the store.",
  },
  {
    key: "deduplicated",
    label: "deduplicated",
    help: "Copies of accepted events, such as retries.",
  },
  { key: "dropped", label: "dropped", help: "Turned away by a rule, with a reason." },
  {
    key: "quarantined",
    label: "quarantined",
    help: "Kept with their bytes until they can be processed.",
  },
];

export function dropped_total(counts: Partial<LedgerCounts>): number {
  return Object.values(counts.dropped ?? {}).reduce((sum, n) => sum + n, 0);
}

export function equation(counts: Partial<LedgerCounts>): Equation {
  const value_of = (key: PartKey): number =>
    key === "dropped" ? dropped_total(counts) : (counts[key] ?? 0);
  const parts = kParts.map((p) => ({ ...p, value: value_of(p.key) }));
  const sum = parts.reduce((total, p) => total + p.value, 0);
  const again = counts.redriven ?? 0;
  const received = (counts.received ?? 0) - again;
  return { received, again, parts, sum, difference: received - sum };
}

export function again_text(e: Equation): string {
  if (e.again === 0) return "";
  return `${whole(e.again)} of them came again: out of quarantine, or round others because their apps let them wait.`;
}

/** What to print: stored and in flight always, the rest only when there is something to say. */
export function visible_parts(e: Equation): Part[] {
  return e.parts.filter((p) => p.key === "stored" || p.key === "in_flight" || p.value > 0);
}

/**
 * Widths in percent for the bar. Every part that is not 0 gets at least `least`, so that three
 * dropped events among a million stay visible; the largest part pays for it.
 */
export function bar_widths(values: number[], least = 1.5): number[] {
  const total = values.reduce((a, b) => a + b, 0);
  if (total <= 0) return values.map(() => 0);
  const widths = values.map((v) => (v === 0 ? 0 : Math.max((v / total) * 100, least)));
  const excess = widths.reduce((a, b) => a + b, 0) - 100;
  const largest = widths.indexOf(Math.max(...widths));
  widths[largest] = (widths[largest] ?? 0) - excess;
  return widths;
}

export function dropped_text(counts: Partial<LedgerCounts>): string {
  return Object.entries(counts.dropped ?? {})
    .sort((a, b) => b[1] - a[1])
    .map(([reason, n]) => `${n} ${words(reason)}`)
    .join(", ");
}
