// The last ten minutes: what comes in against what is stored, and what waits in between.
import { useMemo } from "react";

import type { HistoryPoint } from "../../api/types";
import { Chart } from "../../components/chart";
import type { Point } from "../../components/chart_scales";
import { clock } from "../../lib/format";
import { in_steps } from "../../lib/history_steps";
import styles from "./health.module.css";

const kStepMs = 5_000;
const kRates = [
  { key: "stored_per_s", label: "stored per second", colour: "var(--p-accepted)" },
  { key: "events_per_s", label: "received per second", colour: "var(--p-flight)" },
];
const kLag = [
  { key: "ingest_lag", label: "wait for ingest", colour: "var(--p-duplicate)" },
  { key: "load_lag", label: "wait for the store", colour: "var(--p-dropped)" },
];

const title = (point: Point): string => clock(new Date(Number(point.ms)).toISOString()).slice(0, 8);

export function HistoryCharts({ points }: { points: HistoryPoint[] }) {
  const timed = useMemo(
    () => in_steps(points, kStepMs).map((p): Point => ({ ...p })),
    [points],
  );
  if (timed.length < 2) return null;
  const chart = (name: string, kind: "area" | "line", series: typeof kRates) => (
    <section className={`panel ${styles.chart}`} aria-label={name}>
      <h2>
        {name} <small>last 10 minutes</small>
      </h2>
      <Chart
        kind={kind}
        points={timed}
        x="ms"
        time="local"
        x_title={title}
        series={series}
        height={230}
        label={`${name} over the last 10 minutes`}
      />
    </section>
  );
  return (
    <div className={styles.charts}>
      {chart("Events per second", "area", kRates)}
      {chart("Records waiting", "area", kLag)}
    </div>
  );
}
