// Beside the player: the console and the session's events, in step with it, and what is known of the
// session. A click on a line goes to its moment.
import { Button, SegmentedControl, Tabs } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useMemo, useRef, useState } from "react";
import { Link } from "react-router";

import { api } from "../../api/client";
import type { QueryAnswer, RecordingSummary } from "../../api/types";
import { CopyIcon } from "../../components/copy_button";
import { ErrorNote } from "../../components/error_note";
import { Facts } from "../../components/facts";
import { PersonLink } from "../../components/person_link";
import { bytes, day_and_time, plural, whole } from "../../lib/format";
import { session_events_sql } from "../../lib/replay/links";
import { last_before, place, type Level, type Session } from "../../lib/replay/session";
import styles from "./side_pane.module.css";

const kRowPx = 32;
const kEventsMax = 2_000;

interface Item {
  at: number;
  text: string;
  level: Level | "event";
  uuid?: string;
}

/** A list in the order of time that follows the player and leads it. */
function Moments({ items, start, at, playing, seek, label }: {
  items: Item[];
  start: number;
  at: number;
  playing: boolean;
  seek: (at: number) => void;
  label: string;
}) {
  const scroller = useRef<HTMLDivElement>(null);
  const [held, set_held] = useState(false);
  const [open, set_open] = useState<Item | null>(null);
  const now = last_before(items, at);
  const virtual = useVirtualizer({
    count: items.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => kRowPx,
    overscan: 10,
  });
  useEffect(() => {
    // Whoever points at the list is reading it.
    if (playing && !held && now >= 0) virtual.scrollToIndex(now, { align: "center" });
  }, [now, playing, held, virtual]);
  return (
    <>
      <div
        ref={scroller}
        className={styles.moments}
        role="list"
        aria-label={label}
        onPointerEnter={() => set_held(true)}
        onPointerLeave={() => set_held(false)}
      >
        <div style={{ height: virtual.getTotalSize(), position: "relative" }}>
          {virtual.getVirtualItems().map((v) => {
            const item = items[v.index];
            if (!item) return null;
            return (
              <div
                key={v.key}
                role="listitem"
                className={styles.moment}
                data-level={item.level}
                data-ahead={v.index > now}
                data-now={v.index === now}
                style={{ height: kRowPx, transform: `translateY(${v.start}px)` }}
              >
                <button
                  type="button"
                  onClick={() => {
                    seek(item.at);
                    set_open(item.level === "event" ? null : item);
                  }}
                >
                  <time className="num">{place(item.at - start)}</time>
                  <span className="clip" title={item.text}>
                    {item.text || "(empty)"}
                  </span>
                </button>
                {item.uuid && <Link to={`/trace/${item.uuid}`} aria-label={`Trace ${item.text}`}>Trace</Link>}
              </div>
            );
          })}
        </div>
      </div>
      {open && (
        <div className={styles.whole}>
          <pre>{open.text}</pre>
          <CopyIcon text={open.text} label="Copy this line" />
        </div>
      )}
    </>
  );
}

interface PaneProps {
  project: number;
  summary: RecordingSummary;
  session: Session;
  at: number;
  playing: boolean;
  seek: (at: number) => void;
}

function Console({ session, at, playing, seek }: PaneProps) {
  const [level, set_level] = useState<"all" | "warn" | "error">("all");
  const lines = useMemo(
    () =>
      session.console.filter((l) => level === "all" || l.level === "error" || (level === "warn" && l.level === "warn")),
    [session, level],
  );
  if (session.console.length === 0) {
    return (
      <p className={styles.none}>
        The page wrote nothing to its console, or recordings do not have it: that is the switch “With the console” in{" "}
        <Link to="/settings">Settings</Link>.
      </p>
    );
  }
  return (
    <>
      <div className={styles.bar}>
        <SegmentedControl
          size="xs"
          aria-label="Console lines"
          value={level}
          onChange={(value) => set_level(value as typeof level)}
          data={[
            { value: "all", label: "All" },
            { value: "warn", label: "Warnings" },
            { value: "error", label: "Errors" },
          ]}
        />
        <span className="num">{plural(lines.length, "line")}</span>
      </div>
      <Moments items={lines} start={session.start} at={at} playing={playing} seek={seek} label="Console" />
      {session.console_left_out > 0 && (
        <p className={styles.note}>{whole(session.console_left_out)} later lines are only in `log_entries`.</p>
      )}
    </>
  );
}

function Events({ project, summary, session, at, playing, seek }: PaneProps) {
  const id = summary.session_id;
  const events = useQuery({
    queryKey: ["session-events", project, id],
    queryFn: async (): Promise<Item[]> => {
      const answer = await api<QueryAnswer>(`/projects/${project}/query`, { body: { query: session_events_sql(id, kEventsMax) } });
      return answer.results.map(([when, event, uuid]) => ({
        at: Number(when), text: String(event), level: "event", uuid: String(uuid),
      }));
    },
    staleTime: 30_000,
  });
  return (
    <>
      <div className={styles.bar}>
        <span className="num">{events.data ? plural(events.data.length, "event") : "…"}</span>
        <Button component={Link} to={`/events?session=${encodeURIComponent(id)}`} variant="default" size="compact-sm">
          Open in Events
        </Button>
      </div>
      {events.error && <ErrorNote error={events.error} retry={() => void events.refetch()} />}
      {events.data?.length === 0 && <p className={styles.none}>This session sent no events, or they carry no $session_id.</p>}
      {events.data && events.data.length > 0 && (
        <Moments items={events.data} start={session.start} at={at} playing={playing} seek={seek} label="Events of the session" />
      )}
    </>
  );
}

function About({ summary: s }: PaneProps) {
  return (
    <div className={styles.about}>
      <Facts
        facts={[
          { name: "Person", value: <><PersonLink distinct_id={s.distinct_id} /><CopyIcon text={s.distinct_id} label="Copy distinct_id" /></> },
          { name: "Session", value: <><span className="mono">{s.session_id}</span><CopyIcon text={s.session_id} label="Copy session id" /></> },
          { name: "Began", value: day_and_time(s.start_time) },
          { name: "Ended", value: day_and_time(s.end_time) },
          { name: "Active", value: `${place(s.active_ms)} of ${place(s.duration_ms)}` },
          { name: "Did", value: `${plural(s.click_count, "click")}, ${plural(s.keypress_count, "input")}, ${plural(s.mouse_activity_count, "movement")}` },
          { name: "Console", value: `${plural(s.console_error_count, "error")}, ${plural(s.console_warn_count, "warning")}, ${plural(s.console_log_count, "other line")}` },
          { name: "Recorded", value: `${plural(s.event_count, "rrweb event")}, ${bytes(s.size_bytes)}, ${plural(s.block_count, "block")}` },
          { name: "By", value: [s.snapshot_library, s.snapshot_source].filter(Boolean).join(", ") || "–" },
        ]}
      />
      <h3>Pages</h3>
      <ul>
        {s.urls.map((url) => (
          <li key={url} className="mono">{url}</li>
        ))}
      </ul>
    </div>
  );
}

export function SidePane(props: PaneProps) {
  return (
    <Tabs defaultValue="console" keepMounted={false} className={`panel ${styles.pane}`}>
      <Tabs.List aria-label="Beside the recording">
        <Tabs.Tab value="console">Console</Tabs.Tab>
        <Tabs.Tab value="events">Events</Tabs.Tab>
        <Tabs.Tab value="about">About</Tabs.Tab>
      </Tabs.List>
      <Tabs.Panel value="console" className={styles.panel}><Console {...props} /></Tabs.Panel>
      <Tabs.Panel value="events" className={styles.panel}><Events {...props} /></Tabs.Panel>
      <Tabs.Panel value="about" className={styles.panel}><About {...props} /></Tabs.Panel>
    </Tabs>
  );
}
