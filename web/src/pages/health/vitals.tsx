// The few numbers that tell how Penstock is: rate, lag, latency, disk, engine.
import type { Status } from "../../api/types";
import { bytes, day_and_time, microseconds, per_second, plural, span, whole } from "../../lib/format";
import styles from "./health.module.css";

interface Vital {
  name: string;
  value: string;
  more: string;
  tone?: "good" | "bad";
}

function vitals(s: Status): Vital[] {
  const lag = (s.ingest?.lag_records ?? 0) + (s.load?.lag_records ?? 0);
  const list: Vital[] = [];
  if (s.capture) {
    list.push({
      name: "Receiving",
      value: per_second(s.capture.events_per_s),
      more: `${per_second(s.capture.requests_per_s)} requests, ${plural(s.capture.connections, "connection")}, ${whole(s.capture.refused_total)} refused`,
    });
    list.push({
      name: "Acknowledged within",
      value: microseconds(s.capture.latency_us_p99),
      more: `99 of 100; half within ${microseconds(s.capture.latency_us_p50)}`,
    });
  }
  list.push({
    name: "Waiting",
    value: plural(lag, "record"),
    more: `${whole(s.ingest?.lag_records)} for ingest, ${whole(s.load?.lag_records)} for the store`,
  });
  if (s.log.groups) {
    const behind = s.log.groups.filter((g) => g.lag_records > 0).sort((a, b) => b.lag_records - a.lag_records);
    list.push({
      name: "Kafka groups behind",
      value: plural(behind.reduce((sum, g) => sum + g.lag_records, 0), "record"),
      more:
        behind
          .slice(0, 3)
          .map((g) => `${g.group} ${whole(g.lag_records)} in ${g.topic}`)
          .join(", ") || `${plural(new Set(s.log.groups.map((g) => g.group)).size, "group")}, all at the end`,
    });
  }
  if (s.self_audit && s.self_audit.every_ms > 0) {
    const a = s.self_audit;
    list.push({
      name: "Visible in SQL after",
      value: a.last_error ? "Not visible" : a.at ? microseconds(a.visible_ms * 1000) : "Not tried yet",
      tone: a.last_error ? "bad" : undefined,
      more: a.last_error || `an event of our own, every ${span(a.every_ms / 1000)}, ${whole(a.failures_total)} failed`,
    });
  }
  if (s.scrub) {
    const c = s.scrub;
    list.push({
      name: "Old log files",
      value: c.damaged_files > 0 ? `${whole(c.damaged_files)} damaged` : c.last_pass_at ? "Whole" : "Being read",
      tone: c.damaged_files > 0 ? "bad" : undefined,
      more: c.last_pass_at
        ? `${bytes(c.last_pass_bytes)} read, until ${day_and_time(c.last_pass_at)}`
        : `${bytes(c.bytes_checked_total)} read so far`,
    });
  }
  list.push({
    name: "SQL engine",
    value: s.store.ready ? "Ready" : "Starting",
    tone: s.store.ready ? "good" : "bad",
    more: `${s.store.engine} ${s.store.version}, ${bytes(s.store.memory_bytes)} memory, ${plural(s.store.restarts, "restart")}`,
  });
  if (s.squash) {
    list.push({
      name: "Merged persons",
      value: s.squash.running ? "Squashing" : `${whole(s.squash.overrides_waiting)} waiting`,
      tone: s.squash.last_error ? "bad" : undefined,
      more: s.squash.running
        ? `${s.squash.phase}, ${whole(s.squash.rows_rewritten)} rows rewritten`
        : s.squash.last_error ||
          (s.squash.last_run_at
            ? `last squash ${day_and_time(s.squash.last_run_at)}, ${whole(s.squash.rows_rewritten)} rows rewritten`
            : "no squash yet; queries are right without it"),
    });
  }
  list.push({
    name: "Disk free",
    value: bytes(s.log.disk_free_bytes),
    more: `log ${bytes(s.log.disk_bytes)}, store ${bytes(s.store.disk_bytes)}`,
    tone: s.log.disk_full ? "bad" : undefined,
  });
  list.push({
    name: "Running for",
    value: span(s.uptime_s),
    more: `version ${s.version}, ${bytes(s.memory.rss_bytes)} memory without the engine`,
  });
  return list;
}

export function Vitals({ status }: { status: Status }) {
  return (
    <dl className={`panel ${styles.vitals}`}>
      {vitals(status).map((v) => (
        <div key={v.name}>
          <dt>{v.name}</dt>
          <dd>
            <b className="num" data-tone={v.tone}>
              {v.value}
            </b>
            <small>{v.more}</small>
          </dd>
        </div>
      ))}
    </dl>
  );
}
