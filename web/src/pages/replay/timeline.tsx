// The recording's length as a bar: what was played, where nobody did anything, and what stands out.
// The slider above it is the browser's own, so that keyboard and screen reader know it.
import { memo, useState, type KeyboardEvent, type PointerEvent } from "react";

import { place, type Marker, type Session, type Span } from "../../lib/replay/session";
import styles from "./player.module.css";

const kStepMs = 5_000;
const kNearPx = 5;
const kKinds: Record<Marker["kind"], string> = { page: "Page", click: "Click", error: "Console error" };

interface Hover {
  left: number;
  at: number;
  marker: Marker | null;
}

/** Drawn once: a player that tells its place ten times a second moves nothing of this. */
const Fixed = memo(function Fixed({ session, idle, part }: { session: Session; idle: Span[]; part: "idle" | "markers" }) {
  const percent = (ms: number): string => `${(ms / Math.max(session.duration, 1)) * 100}%`;
  if (part === "markers") {
    return session.markers.map((m, i) => <i key={i} data-kind={m.kind} style={{ left: percent(m.at - session.start) }} />);
  }
  return idle.map((s) => (
    <i key={s.from} className={styles.idle} style={{ left: percent(s.from - session.start), width: percent(s.to - s.from) }} />
  ));
});

export function Timeline({
  session,
  idle,
  at,
  seek,
}: {
  session: Session;
  idle: Span[];
  at: number;
  seek: (at: number) => void;
}) {
  const [hover, set_hover] = useState<Hover | null>(null);
  const length = Math.max(session.duration, 1);
  const percent = (t: number): string => `${((t - session.start) / length) * 100}%`;

  const step = (e: KeyboardEvent): void => {
    const by = e.key === "ArrowLeft" || e.key === "ArrowDown" ? -1 : e.key === "ArrowRight" || e.key === "ArrowUp" ? 1 : 0;
    if (by === 0) return;
    e.preventDefault();
    seek(at + by * kStepMs);
  };
  const look = (e: PointerEvent<HTMLElement>): void => {
    const box = e.currentTarget.getBoundingClientRect();
    const left = Math.min(Math.max(e.clientX - box.left, 0), box.width);
    const time = session.start + (left / box.width) * length;
    let marker: Marker | null = null;
    for (const m of session.markers) {
      const away = Math.abs(m.at - time);
      if (away <= (kNearPx / box.width) * length && away <= Math.abs((marker?.at ?? Number.POSITIVE_INFINITY) - time)) marker = m;
    }
    set_hover({ left, at: time, marker });
  };

  return (
    <div className={styles.timeline} onPointerMove={look} onPointerLeave={() => set_hover(null)}>
      <div className={styles.track} aria-hidden>
        <Fixed session={session} idle={idle} part="idle" />
        <i className={styles.played} style={{ width: percent(at) }} />
      </div>
      <div className={styles.markers} aria-hidden>
        <Fixed session={session} idle={idle} part="markers" />
        <b style={{ left: percent(at) }} />
      </div>
      <input
        type="range"
        aria-label="Place in the recording"
        aria-valuetext={`${place(at - session.start)} of ${place(session.duration)}`}
        min={0}
        max={length}
        step={100}
        value={at - session.start}
        onChange={(e) => seek(session.start + Number(e.currentTarget.value))}
        onKeyDown={step}
      />
      {hover && (
        <div className={styles.tip} style={{ left: hover.left }} data-end={hover.at - session.start > length / 2}>
          <b className="num">{place(hover.at - session.start)}</b>
          {hover.marker && (
            <span>
              {kKinds[hover.marker.kind]}
              {hover.marker.kind !== "click" && `: ${hover.marker.label}`}
            </span>
          )}
        </div>
      )}
    </div>
  );
}
