// From points to pixels: the scales, ticks and words of a chart's axes.
import { scaleBand, scaleLinear, scalePoint, scaleTime, scaleUtc } from "d3-scale";

export type Cell = string | number | null;
export type Point = Record<string, Cell>;
export type Kind = "line" | "bar" | "area";

export interface Frame {
  width: number;
  height: number;
  left: number;
  right: number;
  top: number;
  bottom: number;
}

export interface XAxis {
  /** The middle of the point's place. */
  at: (i: number) => number;
  /** How wide a group of bars may be. */
  band: number;
  ticks: { x: number; text: string }[];
}

const kTickPx = 84;
const kLabelChars = 14;

const kShort = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });
export const short = (n: number): string => kShort.format(n);

function two(n: number): string {
  return String(n).padStart(2, "0");
}

/** A time as exactly as the whole range needs it. */
export function time_text(ms: number, span_ms: number, utc: boolean): string {
  const d = new Date(utc ? ms : ms - new Date(ms).getTimezoneOffset() * 60_000);
  const day = `${two(d.getUTCMonth() + 1)}-${two(d.getUTCDate())}`;
  const minute = `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}`;
  if (span_ms <= 5 * 60_000) return `${minute}:${two(d.getUTCSeconds())}`;
  if (span_ms <= 36 * 3_600_000) return minute;
  return span_ms <= 4 * 86_400_000 && minute !== "00:00" ? `${day} ${minute}` : day;
}

export function time_axis(values: number[], frame: Frame, utc: boolean): XAxis {
  const first = Math.min(...values);
  const last = Math.max(...values);
  const span = Math.max(last - first, 1);
  const range = [frame.left, frame.width - frame.right];
  const scale = (utc ? scaleUtc() : scaleTime()).domain([first, first + span]).range(range);
  const count = Math.max(2, Math.floor(((range[1] ?? 0) - (range[0] ?? 0)) / kTickPx));
  return {
    at: (i) => scale(values[i] ?? 0),
    band: 0,
    ticks: scale
      .ticks(count)
      .map((t) => ({ x: scale(t), text: time_text(t.getTime(), span, utc) })),
  };
}

export function name_axis(values: string[], frame: Frame, kind: Kind): XAxis {
  const keys = values.map((_, i) => String(i));
  const range: [number, number] = [frame.left, frame.width - frame.right];
  const scale =
    kind === "bar"
      ? scaleBand().domain(keys).range(range).paddingInner(0.28).paddingOuter(0.14)
      : scalePoint().domain(keys).range(range).padding(values.length > 1 ? 0.1 : 0.5);
  const band = scale.bandwidth();
  const at = (i: number): number => (scale(String(i)) ?? 0) + band / 2;
  const longest = Math.min(Math.max(...values.map((v) => v.length), 3), kLabelChars);
  const room = (range[1] - range[0]) / Math.max(values.length, 1);
  const every = Math.max(1, Math.ceil((longest * 7 + 10) / Math.max(room, 1)));
  const ticks = values.flatMap((text, i) =>
    i % every === 0
      ? [{ x: at(i), text: text.length > kLabelChars ? `${text.slice(0, kLabelChars - 1)}…` : text }]
      : [],
  );
  return { at, band, ticks };
}

export function y_axis(points: Point[], keys: string[], frame: Frame) {
  let low = 0;
  let high = 0;
  for (const point of points) {
    for (const key of keys) {
      const value = point[key];
      if (typeof value !== "number") continue;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  if (low === 0 && high === 0) high = 1;
  return scaleLinear()
    .domain([low, high])
    .nice(4)
    .range([frame.height - frame.bottom, frame.top]);
}

export function nearest(axis: XAxis, count: number, x: number): number {
  let best = 0;
  for (let i = 1; i < count; i++) {
    if (Math.abs(axis.at(i) - x) < Math.abs(axis.at(best) - x)) best = i;
  }
  return best;
}
