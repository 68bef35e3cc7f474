// The virtual list of the live view. Scrolling away from the top holds new events back, so that
// what is being read does not move.
import { useVirtualizer } from "@tanstack/react-virtual";
import { useRef, type KeyboardEvent } from "react";

import type { TailEvent } from "../../api/types";
import { Outcome, outcome_colour } from "../../components/outcome";
import { event_preview } from "../../lib/event_preview";
import { clock } from "../../lib/format";
import type { TailRow } from "../../lib/tail_buffer";
import styles from "./tail_list.module.css";

const kRowPx = 38;
const kNarrowRowPx = 58;

function Row({ event, narrow }: { event: TailEvent; narrow: boolean }) {
  const preview = event_preview(event);
  // A narrow row has no column for the person.
  const told = narrow ? [event.distinct_id, preview].filter(Boolean).join("  ·  ") : preview || event.distinct_id;
  return (
    <>
      <time className={styles.time} dateTime={event.received_at}>
        {clock(event.received_at)}
      </time>
      <span className={styles.outcome}>
        <Outcome outcome={event.outcome} />
      </span>
      <span className={styles.event}>
        <i style={{ background: outcome_colour(event.outcome) }} aria-hidden />
        <span className="clip">{event.event ?? <em>{event.outcome === "duplicate" ? "copy" : "no row"}</em>}</span>
      </span>
      <span className={`${styles.person} clip`}>{event.distinct_id ?? "–"}</span>
      <span className={`${styles.preview} clip`}>{told}</span>
    </>
  );
}

interface TailListProps {
  rows: TailRow[];
  narrow: boolean;
  selected: number;
  on_select: (row: TailRow) => void;
  on_scrolled: (away: boolean) => void;
  scroller: React.RefObject<HTMLDivElement | null>;
}

export function TailList(props: TailListProps) {
  const { rows, narrow, scroller } = props;
  const away = useRef(false);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => (narrow ? kNarrowRowPx : kRowPx),
    getItemKey: (i) => rows[i]?.key ?? i,
    overscan: 12,
  });
  const step = (e: KeyboardEvent<HTMLDivElement>): void => {
    const by = e.key === "ArrowDown" ? 1 : e.key === "ArrowUp" ? -1 : 0;
    const at = Number((e.target as HTMLElement).dataset.index ?? Number.NaN);
    if (by === 0 || Number.isNaN(at)) return;
    e.preventDefault();
    const next = Math.min(Math.max(at + by, 0), rows.length - 1);
    virtual.scrollToIndex(next);
    requestAnimationFrame(() =>
      scroller.current?.querySelector<HTMLElement>(`[data-index="${next}"]`)?.focus(),
    );
  };
  return (
    <div
      ref={scroller}
      className={styles.scroller}
      onKeyDown={step}
      onScroll={(e) => {
        const now = e.currentTarget.scrollTop > 4;
        if (now === away.current) return;
        away.current = now;
        props.on_scrolled(now);
      }}
      data-testid="tail-list"
    >
      <div className={styles.head} aria-hidden>
        <span>Received</span>
        <span>Outcome</span>
        <span>Event</span>
        <span>Person</span>
        <span>Properties</span>
      </div>
      <div style={{ height: virtual.getTotalSize(), position: "relative" }}>
        {virtual.getVirtualItems().map((item) => {
          const row = rows[item.index];
          if (!row) return null;
          return (
            <button
              type="button"
              key={item.key}
              data-index={item.index}
              className={styles.row}
              aria-pressed={row.key === props.selected}
              style={{ height: item.size, transform: `translateY(${item.start}px)` }}
              onClick={() => props.on_select(row)}
            >
              <Row event={row.event} narrow={narrow} />
            </button>
          );
        })}
      </div>
    </div>
  );
}
