// TailBuffer: the newest events of a live view, in bounded memory.
//
// Events arrive as text and are parsed only when somebody looks at them, so a fast stream costs
// little. While paused, what is shown stays as it is and new events wait; every event counts.
import type { TailEvent } from "../api/types";

export const kRowsKept = 10_000;
export const kRateSeconds = 60;

export class TailRow {
  private parsed: TailEvent | null = null;

  constructor(
    readonly key: number,
    private readonly text: string,
  ) {}

  get event(): TailEvent {
    this.parsed ??= JSON.parse(this.text) as TailEvent;
    return this.parsed;
  }
}

/** Milliseconds of `received_at`, read without parsing the whole event; NaN when it has none. */
export function received_ms(text: string): number {
  const mark = '"received_at":"';
  const from = text.indexOf(mark);
  if (from < 0) return Number.NaN;
  const start = from + mark.length;
  return Date.parse(text.slice(start, text.indexOf('"', start)));
}

export class TailBuffer {
  private shown: TailRow[] = [];
  private held: TailRow[] = [];
  private next_key = 1;
  private per_second = new Map<number, number>();

  /** Everything that arrived since the view was opened or cleared. */
  arrived = 0;
  /** Arrived while paused. */
  waiting = 0;
  paused = false;

  constructor(private readonly rows_kept = kRowsKept) {}

  push(text: string): void {
    this.arrived++;
    const second = Math.floor(received_ms(text) / 1000);
    if (!Number.isNaN(second)) {
      this.per_second.set(second, (this.per_second.get(second) ?? 0) + 1);
      if (this.per_second.size > kRateSeconds * 4) this.forget_old_seconds();
    }
    const row = new TailRow(this.next_key++, text);
    if (this.paused) {
      this.waiting++;
      this.held.push(row);
      this.held = this.bounded(this.held);
    } else {
      this.shown.push(row);
      this.shown = this.bounded(this.shown);
    }
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    this.shown = this.shown.concat(this.held).slice(-this.rows_kept);
    this.held = [];
    this.waiting = 0;
  }

  clear(): void {
    this.shown = [];
    this.held = [];
    this.per_second.clear();
    this.arrived = 0;
    this.waiting = 0;
  }

  /** As many wait as are kept: whoever reads should stop, so that none is forgotten. */
  get full(): boolean {
    return this.held.length >= this.rows_kept;
  }

  /** Newest first, at most `rows_kept`. */
  rows(): TailRow[] {
    return this.shown.slice(-this.rows_kept).reverse();
  }

  /** Arrived, but no longer here: the bound was reached. */
  get forgotten(): number {
    return Math.max(0, this.arrived - this.waiting - Math.min(this.shown.length, this.rows_kept));
  }

  /** Events received in each of the last `kRateSeconds` whole seconds, oldest first. */
  rate(now_ms: number): number[] {
    const last = Math.floor(now_ms / 1000) - 1;
    return Array.from(
      { length: kRateSeconds },
      (_, i) => this.per_second.get(last - kRateSeconds + 1 + i) ?? 0,
    );
  }

  // Trims in bigger steps than one row, so that a full buffer does not copy itself at every event.
  private bounded(rows: TailRow[]): TailRow[] {
    return rows.length > this.rows_kept * 2 ? rows.slice(-this.rows_kept) : rows;
  }

  private forget_old_seconds(): void {
    const newest = Math.max(...this.per_second.keys());
    for (const second of [...this.per_second.keys()]) {
      if (second < newest - kRateSeconds * 2) this.per_second.delete(second);
    }
    // A back-fill can bring many different old seconds at once: keep only what the chart can show.
    if (this.per_second.size > kRateSeconds * 4) this.per_second.clear();
  }
}
