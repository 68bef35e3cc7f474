// The history in steps that a chart can show: rates as the mean of a step, so that the area keeps
// its meaning, and lags as the highest, so that no peak is lost.
import type { HistoryPoint } from "../api/types";

export interface HistoryStep {
  ms: number;
  events_per_s: number;
  stored_per_s: number;
  ingest_lag: number;
  load_lag: number;
}

const rounded = (n: number): number => Math.round(n * 10) / 10;

export function in_steps(points: HistoryPoint[], step_ms: number): HistoryStep[] {
  const steps = new Map<number, HistoryPoint[]>();
  for (const point of points) {
    const ms = Math.floor(Date.parse(point.at) / step_ms) * step_ms;
    const group = steps.get(ms);
    if (group) group.push(point);
    else steps.set(ms, [point]);
  }
  return [...steps].map(([ms, group]) => {
    const mean = (key: "events_per_s" | "stored_per_s"): number =>
      rounded(group.reduce((sum, p) => sum + p[key], 0) / group.length);
    const most = (key: "ingest_lag" | "load_lag"): number => Math.max(...group.map((p) => p[key]));
    return {
      ms,
      events_per_s: mean("events_per_s"),
      stored_per_s: mean("stored_per_s"),
      ingest_lag: most("ingest_lag"),
      load_lag: most("load_lag"),
    };
  });
}
