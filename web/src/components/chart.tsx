// Lines, areas and bars in the house's look. Lines are straight between what was measured: a curve
// would show values that nobody counted.
import { useElementSize } from "@mantine/hooks";
import { area, line } from "d3-shape";
import { useMemo, useState, type KeyboardEvent } from "react";

import styles from "./chart.module.css";
import {
  name_axis,
  nearest,
  short,
  time_axis,
  y_axis,
  type Frame,
  type Kind,
  type Point,
  type XAxis,
} from "./chart_scales";

export interface Series {
  key: string;
  label?: string;
  colour?: string;
}

export interface ChartProps {
  kind: Kind;
  points: Point[];
  x: string;
  series: Series[];
  height: number | string;
  label: string;
  /** The x values are milliseconds; drawn where they belong in time, in UTC or local time. */
  time?: "utc" | "local";
  /** What the tooltip calls a point. */
  x_title?: (point: Point) => string;
}

const kColours = ["--s-1", "--s-2", "--s-3", "--s-4", "--s-5", "--s-6"].map((c) => `var(${c})`);
// Dots on a long line are noise; on a short one they say that there are few values.
const kDotsMax = 40;
const kBarPxMax = 64;
const kExact = new Intl.NumberFormat("en-US", { maximumFractionDigits: 2 });

const colour_of = (s: Series, i: number): string => s.colour ?? kColours[i % kColours.length] ?? "";

interface Drawing {
  points: Point[];
  axis: XAxis;
  y: (n: number) => number;
}

function Line({ d, s, colour, filled }: { d: Drawing; s: Series; colour: string; filled: boolean }) {
  const value = (p: Point): number => p[s.key] as number;
  const defined = (p: Point): boolean => typeof p[s.key] === "number";
  const at_x = (_: Point, i: number): number => d.axis.at(i);
  const path = line<Point>(at_x, (p) => d.y(value(p))).defined(defined)(d.points) ?? "";
  const below = area<Point>(at_x, d.y(0), (p) => d.y(value(p))).defined(defined)(d.points) ?? "";
  return (
    <g>
      {filled && <path d={below} fill={colour} opacity={0.13} />}
      <path d={path} fill="none" stroke={colour} strokeWidth={2} strokeLinejoin="round" />
      {!filled &&
        d.points.length <= kDotsMax &&
        d.points.map((p, i) =>
          defined(p) ? (
            <circle key={i} cx={d.axis.at(i)} cy={d.y(value(p))} r={2.6} fill={colour} />
          ) : null,
        )}
    </g>
  );
}

function Bars({ d, series }: { d: Drawing; series: Series[] }) {
  const group = Math.min(d.axis.band, kBarPxMax * series.length);
  const each = group / series.length;
  return d.points.flatMap((p, i) =>
    series.map((s, n) => {
      const value = p[s.key];
      if (typeof value !== "number") return null;
      const top = Math.min(d.y(value), d.y(0));
      return (
        <rect
          key={`${i}-${s.key}`}
          x={d.axis.at(i) - group / 2 + n * each}
          y={top}
          width={Math.max(each - 1, 1)}
          height={Math.abs(d.y(value) - d.y(0))}
          rx={Math.min(3, each / 4)}
          fill={colour_of(s, n)}
        />
      );
    }),
  );
}

function Tip({ d, at, props, width }: { d: Drawing; at: number; props: ChartProps; width: number }) {
  const point = d.points[at];
  if (!point) return null;
  const x = d.axis.at(at);
  const title = props.x_title?.(point) ?? String(point[props.x]);
  const side = x > width / 2 ? { right: width - x + 12 } : { left: x + 12 };
  return (
    <div className={styles.tip} style={side}>
      <b>{title}</b>
      {props.series.map((s, i) => (
        <div key={s.key}>
          <i style={{ background: colour_of(s, i) }} />
          <span>{s.label ?? s.key}</span>
          <em className="num">
            {typeof point[s.key] === "number" ? kExact.format(point[s.key] as number) : "–"}
          </em>
        </div>
      ))}
    </div>
  );
}

export function Chart(props: ChartProps) {
  const { kind, points, x, series, time } = props;
  const { ref, width, height } = useElementSize();
  const [at, set_at] = useState<number | null>(null);
  const frame: Frame = { width, height, left: 46, right: 24, top: 10, bottom: 26 };
  const { axis, y } = useMemo(() => {
    const keys = series.map((s) => s.key);
    const x_axis =
      time && kind !== "bar"
        ? time_axis(points.map((p) => Number(p[x])), frame, time === "utc")
        : name_axis(points.map((p) => props.x_title?.(p) ?? String(p[x])), frame, kind);
    return { axis: x_axis, y: y_axis(points, keys, frame) };
    // The frame follows from the size.
  }, [points, series, x, kind, time, width, height]);
  const d: Drawing = { points, axis, y };
  const move = (e: KeyboardEvent): void => {
    const by = e.key === "ArrowRight" ? 1 : e.key === "ArrowLeft" ? -1 : 0;
    if (by !== 0) set_at((i) => Math.min(Math.max((i ?? -1) + by, 0), points.length - 1));
  };
  const legend = series.length > 1;
  return (
    <figure className={styles.chart} style={{ height: props.height }}>
      <div
        ref={ref}
        className={styles.plot}
        role="img"
        aria-label={props.label}
        tabIndex={0}
        onKeyDown={move}
        onBlur={() => set_at(null)}
        onPointerLeave={() => set_at(null)}
        onPointerMove={(e) => {
          const left = e.currentTarget.getBoundingClientRect().left;
          set_at(nearest(axis, points.length, e.clientX - left));
        }}
      >
        {width > 0 && height > 0 && (
          <svg width={width} height={height} aria-hidden>
            {y.ticks(4).map((n) => (
              <g key={n}>
                <line x1={frame.left} x2={width - frame.right} y1={y(n)} y2={y(n)} data-grid />
                <text x={frame.left - 10} y={y(n)} dy="0.35em" textAnchor="end">
                  {short(n)}
                </text>
              </g>
            ))}
            {axis.ticks.map((t) => (
              <text key={`${t.x}`} x={t.x} y={height - 7} textAnchor="middle">
                {t.text}
              </text>
            ))}
            {at !== null && kind !== "bar" && (
              <line x1={axis.at(at)} x2={axis.at(at)} y1={frame.top} y2={height - frame.bottom} data-at />
            )}
            {kind === "bar" ? (
              <Bars d={d} series={series} />
            ) : (
              series.map((s, i) => (
                <Line key={s.key} d={d} s={s} colour={colour_of(s, i)} filled={kind === "area"} />
              ))
            )}
          </svg>
        )}
        {at !== null && <Tip d={d} at={at} props={props} width={width} />}
      </div>
      {legend && (
        <figcaption className={styles.legend}>
          {series.map((s, i) => (
            <span key={s.key}>
              <i style={{ background: colour_of(s, i) }} aria-hidden />
              {s.label ?? s.key}
            </span>
          ))}
        </figcaption>
      )}
    </figure>
  );
}
