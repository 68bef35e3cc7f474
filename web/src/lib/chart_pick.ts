// Which chart a query's answer wants: time on x becomes lines, names become bars. A time, a name
// and a number together become one line per name.

export interface ChartPlan {
  kind: "line" | "bar";
  x: string;
  /** One entry per line or bar colour, most important first. */
  series: string[];
  /** One object per x value: {[x]: label, [series]: number}. */
  points: Record<string, string | number | null>[];
  /** How many x values or series were left out because of the bounds below. */
  points_left_out: number;
  series_left_out: number;
}

export const kLinePointsMax = 1_500;
export const kBarsMax = 40;
export const kSeriesMax = 6;

/** "LowCardinality(Nullable(String))" → "String". */
export function plain_type(type: string): string {
  let at = type;
  for (;;) {
    const inner = /^(?:Nullable|LowCardinality|SimpleAggregateFunction)\((.*)\)$/.exec(at)?.[1];
    if (inner === undefined) return at;
    at = inner.includes(", ") && at.startsWith("Simple") ? inner.slice(inner.indexOf(", ") + 2) : inner;
  }
}

export function is_number(type: string): boolean {
  return /^(U?Int\d+|Float\d+|BFloat16|Decimal)/.test(plain_type(type));
}

export function is_time(type: string): boolean {
  return /^Date/.test(plain_type(type));
}

export function is_name(type: string): boolean {
  return /^(String|FixedString|Enum|UUID|Bool|IPv)/.test(plain_type(type));
}

export function to_number(value: unknown): number | null {
  if (typeof value === "number") return Number.isFinite(value) ? value : null;
  if (typeof value === "string" && value !== "") {
    const n = Number(value);
    return Number.isFinite(n) ? n : null;
  }
  return null;
}

function label(value: unknown): string {
  if (value === null || value === undefined) return "null";
  if (value === "") return "(empty)";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** A column that only numbers rows (hour 0–23, a bucket) is x rather than a measure. */
function ordinal_x(columns: string[], types: string[], rows: unknown[][]): number {
  const numbers = types.map((t, i) => (is_number(t) ? i : -1)).filter((i) => i >= 0);
  if (numbers.length < 2) return -1;
  const first = numbers[0] ?? -1;
  if (first !== 0 || !/^(U?Int)/.test(plain_type(types[first] ?? ""))) return -1;
  const values = rows.map((r) => to_number(r[first]));
  const distinct = new Set(values).size === rows.length;
  return distinct && columns.length >= 2 ? first : -1;
}

export function pick_chart(
  columns: string[],
  types: string[],
  rows: unknown[][],
): ChartPlan | null {
  if (rows.length < 2) return null;
  const time = types.findIndex(is_time);
  const name = types.findIndex(is_name);
  const ordinal = time < 0 && name < 0 ? ordinal_x(columns, types, rows) : -1;
  const x = time >= 0 ? time : name >= 0 ? name : ordinal;
  if (x < 0) return null;
  const measures = types.map((t, i) => (i !== x && is_number(t) ? i : -1)).filter((i) => i >= 0);
  if (measures.length === 0) return null;
  if (time >= 0 && name >= 0 && measures.length === 1) {
    return by_name(columns, rows, time, name, measures[0] ?? 0);
  }
  return by_column(columns, rows, x, measures, time >= 0 || ordinal >= 0);
}

function by_column(
  columns: string[],
  rows: unknown[][],
  x: number,
  measures: number[],
  line: boolean,
): ChartPlan {
  const used = measures.slice(0, kSeriesMax);
  const ordered = line
    ? [...rows].sort((a, b) => compare(a[x], b[x]))
    : rows;
  const bound = line ? kLinePointsMax : kBarsMax;
  const x_name = unique_x(columns[x] ?? "x", used.map((i) => columns[i] ?? ""));
  const points = (line ? ordered.slice(-bound) : ordered.slice(0, bound)).map((row) => {
    const point: Record<string, string | number | null> = { [x_name]: label(row[x]) };
    for (const i of used) point[columns[i] ?? String(i)] = to_number(row[i]);
    return point;
  });
  return {
    kind: line ? "line" : "bar",
    x: x_name,
    series: used.map((i) => columns[i] ?? String(i)),
    points,
    points_left_out: rows.length - points.length,
    series_left_out: measures.length - used.length,
  };
}

function by_name(
  columns: string[],
  rows: unknown[][],
  time: number,
  name: number,
  measure: number,
): ChartPlan {
  const totals = new Map<string, number>();
  for (const row of rows) {
    const key = label(row[name]);
    totals.set(key, (totals.get(key) ?? 0) + Math.abs(to_number(row[measure]) ?? 0));
  }
  const series = [...totals].sort((a, b) => b[1] - a[1]).map(([key]) => key);
  const used = series.slice(0, kSeriesMax);
  const x_name = unique_x(columns[time] ?? "x", used);
  const by_time = new Map<string, Record<string, string | number | null>>();
  for (const row of rows) {
    const at = label(row[time]);
    const key = label(row[name]);
    let point = by_time.get(at);
    if (!point) {
      point = { [x_name]: at };
      for (const s of used) point[s] = 0;
      by_time.set(at, point);
    }
    if (used.includes(key)) point[key] = ((point[key] as number) ?? 0) + (to_number(row[measure]) ?? 0);
  }
  const all = [...by_time.values()].sort((a, b) => compare(a[x_name], b[x_name]));
  const points = all.slice(-kLinePointsMax);
  return {
    kind: "line",
    x: x_name,
    series: used,
    points,
    points_left_out: all.length - points.length,
    series_left_out: series.length - used.length,
  };
}

function unique_x(wanted: string, taken: string[]): string {
  let x = wanted;
  while (taken.includes(x)) x += " ";
  return x;
}

/** Order of two cells: numbers (also as text) by value, null last, the rest as text. */
export function compare(a: unknown, b: unknown): number {
  if (a === null || a === undefined) return b === null || b === undefined ? 0 : 1;
  if (b === null || b === undefined) return -1;
  const x = to_number(a);
  const y = to_number(b);
  if (x !== null && y !== null) {
    if (typeof a === "string" && typeof b === "string" && is_whole(a) && is_whole(b)) {
      const p = BigInt(a);
      const q = BigInt(b);
      return p < q ? -1 : p > q ? 1 : 0;
    }
    return x - y;
  }
  const s = label(a);
  const t = label(b);
  return s < t ? -1 : s > t ? 1 : 0;
}

function is_whole(text: string): boolean {
  return /^-?\d+$/.test(text);
}
