import { useMemo } from "react";

import { Chart } from "../../components/chart";
import type { Point } from "../../components/chart_scales";
import type { ChartPlan } from "../../lib/chart_pick";
import { plural } from "../../lib/format";
import styles from "./events.module.css";

const kNumber = new Intl.NumberFormat("en-US", { maximumFractionDigits: 2 });
const kTime = /^(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d:\d\d(?:\.\d{1,3})?)\d*)?$/;

/** The engine answers times in UTC, without saying so. */
function utc_ms(value: unknown): number {
  const parts = kTime.exec(String(value));
  return parts ? Date.parse(`${parts[1]}T${parts[2] ?? "00:00:00"}Z`) : Number.NaN;
}

/** "2026-08-01 12:00:00" → "08-01 12:00": what a bar is called. */
function short_time(value: unknown): string {
  const text = String(value);
  return kTime.test(text) ? text.slice(5, 16).replace(" 00:00", "") : text;
}

/** Names with one number each: lying bars, so that every name can be read. */
function BarList({ plan }: { plan: ChartPlan }) {
  const key = plan.series[0] ?? "";
  const values = plan.points.map((p) => Number(p[key] ?? 0));
  const most = Math.max(...values.map(Math.abs), 1);
  return (
    <ol className={styles.bars} aria-label={`${key} by ${plan.x.trim()}`} tabIndex={0}>
      {plan.points.map((p, i) => (
        <li key={`${i}-${p[plan.x]}`}>
          <span className="clip" title={String(p[plan.x])}>
            {p[plan.x]}
          </span>
          <i style={{ width: `${(Math.abs(values[i] ?? 0) / most) * 100}%` }} aria-hidden />
          <b className="num">{kNumber.format(values[i] ?? 0)}</b>
        </li>
      ))}
    </ol>
  );
}

export function ResultChart({ plan, kind }: { plan: ChartPlan; kind: "line" | "bar" }) {
  const timed = useMemo(() => {
    const points = plan.points.map((p): Point => ({ ...p, "\u0000ms": utc_ms(p[plan.x]) }));
    return points.every((p) => !Number.isNaN(p["\u0000ms"])) ? points : null;
  }, [plan]);
  const series = useMemo(() => plan.series.map((key) => ({ key })), [plan]);
  const on_time = timed !== null && kind === "line";
  const left_out = [
    plan.points_left_out > 0 && plural(plan.points_left_out, "value"),
    plan.series_left_out > 0 && plural(plan.series_left_out, "smaller series", "smaller series"),
  ].filter(Boolean);
  return (
    <div className={styles.chart} data-testid="result-chart" data-kind={kind}>
      {kind === "bar" && plan.kind === "bar" && plan.series.length === 1 ? (
        <BarList plan={plan} />
      ) : (
      <Chart
        // One line over time stands on zero: the area below it says so.
        kind={on_time && series.length === 1 ? "area" : kind}
        points={on_time ? timed : plan.points}
        x={on_time ? "\u0000ms" : plan.x}
        time={on_time ? "utc" : undefined}
        x_title={(p) => (kind === "bar" ? short_time(p[plan.x]) : String(p[plan.x]))}
        series={series}
        height="100%"
        label={`${kind} chart of ${plan.series.join(", ")} by ${plan.x.trim()}`}
      />
      )}
      {left_out.length > 0 && <p>Not drawn: {left_out.join(" and ")}. The table has all of them.</p>}
    </div>
  );
}
