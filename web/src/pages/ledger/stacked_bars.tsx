// Received events over time, each column cut into what became of them. A column is a button.
import type { LedgerRow } from "../../api/types";
import { day_and_time, hours_minutes, whole } from "../../lib/format";
import { equation } from "../../lib/ledger_equation";
import styles from "./ledger.module.css";

export interface Column {
  start: string;
  counts: LedgerRow;
}

/** One column for every step of time up to now, empty ones too; without rows none. */
export function columns_of(rows: LedgerRow[], step_ms: number, columns_max: number, now_ms: number): Column[] {
  const by_start = new Map<number, LedgerRow>();
  for (const row of rows) {
    const at = Date.parse(row.start);
    const there = by_start.get(at);
    by_start.set(at, there ? add(there, row) : row);
  }
  const starts = [...by_start.keys()];
  if (starts.length === 0) return [];
  const last = Math.max(...starts, Math.floor(now_ms / step_ms) * step_ms);
  const first = last - (columns_max - 1) * step_ms;
  const out: Column[] = [];
  for (let at = first; at <= last; at += step_ms) {
    const start = new Date(at).toISOString();
    out.push({ start, counts: by_start.get(at) ?? empty(start) });
  }
  return out;
}

function empty(start: string): LedgerRow {
  return { start, lane: "", received: 0, stored: 0, deduplicated: 0, quarantined: 0, redriven: 0, in_flight: 0, dropped: {} };
}

export function add(a: LedgerRow, b: LedgerRow): LedgerRow {
  const dropped = { ...a.dropped };
  for (const [reason, n] of Object.entries(b.dropped)) dropped[reason] = (dropped[reason] ?? 0) + n;
  return {
    start: a.start,
    lane: "",
    received: a.received + b.received,
    stored: a.stored + b.stored,
    deduplicated: a.deduplicated + b.deduplicated,
    quarantined: a.quarantined + b.quarantined,
    redriven: a.redriven + b.redriven,
    in_flight: a.in_flight + b.in_flight,
    dropped,
  };
}

export function StackedBars({
  columns,
  chosen,
  choose,
  by_day,
}: {
  columns: Column[];
  by_day: boolean;
  chosen: string | null;
  choose: (start: string | null) => void;
}) {
  const most = Math.max(...columns.map((c) => equation(c.counts).received), 1);
  const label = (start: string): string => (by_day ? day_and_time(start, false).slice(0, 10) : hours_minutes(start));
  const ticks = [0, Math.floor((columns.length - 1) / 2), columns.length - 1];
  return (
    <figure className={styles.figure}>
      <div className={styles.most}>
        <span className="num">{whole(most)}</span>
      </div>
      <div className={styles.bars} role="group" aria-label="Received over time">
        {columns.map((c) => {
          const { parts, received } = equation(c.counts);
          const said = parts.filter((p) => p.value > 0).map((p) => `${whole(p.value)} ${p.label}`);
          return (
            <button
              key={c.start}
              type="button"
              aria-pressed={chosen === c.start}
              title={`${day_and_time(c.start, false)}: ${whole(received)} received${said.length ? `, ${said.join(", ")}` : ""}`}
              onClick={() => choose(chosen === c.start ? null : c.start)}
            >
              {parts.map((p) =>
                p.value > 0 ? (
                  <i key={p.key} data-part={p.key} style={{ height: `max(2px, ${(p.value / most) * 100}%)` }} />
                ) : null,
              )}
            </button>
          );
        })}
      </div>
      <figcaption className={styles.ticks}>
        {ticks.map((i, n) => {
          const column = columns[i];
          return <span key={n}>{column ? label(column.start) : ""}</span>;
        })}
      </figcaption>
    </figure>
  );
}
