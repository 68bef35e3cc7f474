// What is wrong right now, the worst first, each with what to do. Pure: numbers in, sentences out.
import type { Status } from "../api/types";
import { bytes, microseconds, plural, whole } from "./format";
import { equation } from "./ledger_equation";

export interface Problem {
  id: string;
  level: "bad" | "warning";
  title: string;
  detail: string;
  todo: string;
}

const kDiskFreeLow = 2_000_000_000;
const kLagHigh = 50_000;
const kCommitSlowUs = 250_000;
// Brokers that keep events in an object store take some 400 ms, and are well.
const kBrokersSlowUs = 2_000_000;

type Check = (s: Status) => Problem | null;

const kChecks: Check[] = [
  (s) =>
    s.log.disk_full
      ? {
          id: "disk_full",
          level: "bad",
          title: "The disk is full",
          detail: `New events are answered 503; nothing that was acknowledged is lost. ${bytes(s.log.disk_free_bytes)} are free.`,
          todo: `Free space on the disk that holds ${s.data_dir || "the data directory"}, or lower the retention. Penstock goes on by itself.`,
        }
      : null,
  (s) => {
    const check = s.ledger.check;
    const balanced = s.ledger.balance.balanced && (check?.balanced ?? true);
    const detail = s.ledger.balance.detail || (check?.detail ?? "");
    const { difference } = equation(s.ledger.totals);
    if (balanced && difference === 0) return null;
    return {
      id: "unbalanced",
      level: "bad",
      title: "The books do not balance",
      detail: detail || `${plural(Math.abs(difference), "event")} unaccounted for.`,
      todo: "This must not happen. Follow the runbook ledger_imbalance: it says how to find the place and what to keep.",
    };
  },
  (s) =>
    s.scrub && s.scrub.damaged_files > 0
      ? {
          id: "log_damage",
          level: "bad",
          title: `${plural(s.scrub.damaged_files, "old file")} of the log ${s.scrub.damaged_files === 1 ? "is" : "are"} damaged`,
          detail: s.scrub.damage.map((d) => `${d.file}: ${d.problem}`).join("; "),
          todo: "What is stored already stays in SQL. Follow the runbook log_damage_found: restore the file from a backup, or let penstock log repair skip what cannot be read.",
        }
      : null,
  (s) =>
    s.store.ready
      ? null
      : {
          id: "engine",
          level: "bad",
          title: "The SQL engine is not ready",
          detail: `${s.store.detail || "It is starting."} Events keep being received and wait in the log.`,
          todo: "It is restarted by itself. If this lasts for minutes, see its log in the data directory.",
        },
  (s) =>
    s.store.ready && s.load?.last_error && s.load.lag_records > 0
      ? {
          id: "load",
          level: "warning",
          title: "Writing to the store fails",
          detail: s.load.last_error,
          todo: `It is tried again by itself (${plural(s.load.retries_total, "retry", "retries")} so far). Nothing is lost meanwhile.`,
        }
      : null,
  (s) =>
    s.ingest?.last_error
      ? {
          id: "ingest",
          level: "warning",
          title: "Ingest reported an error",
          detail: s.ingest.last_error,
          todo: "It is tried again by itself. Nothing is lost meanwhile.",
        }
      : null,
  (s) =>
    !s.log.disk_full && s.log.disk_free_bytes > 0 && s.log.disk_free_bytes < kDiskFreeLow
      ? {
          id: "disk_low",
          level: "warning",
          title: "Little disk space is left",
          detail: `${bytes(s.log.disk_free_bytes)} are free.`,
          todo: "Free some space. When the disk is full, new events are answered 503.",
        }
      : null,
  (s) => {
    const lag = (s.ingest?.lag_records ?? 0) + (s.load?.lag_records ?? 0);
    if (lag < kLagHigh) return null;
    return {
      id: "lag",
      level: "warning",
      title: "Events wait longer than usual",
      detail: `${whole(lag)} records are on their way to the store.`,
      todo: "After a burst this goes away by itself. If it keeps growing, give Penstock more processor time.",
    };
  },
  (s) =>
    s.log.groups && s.log.commit_us_p99 > kBrokersSlowUs
      ? {
          id: "brokers",
          level: "warning",
          title: "Kafka is slow",
          detail: `The slowest 1 % of acknowledgements take ${microseconds(s.log.commit_us_p99)} or more.`,
          todo: "Every answer to a client waits for the brokers. See the runbook kafka_down.",
        }
      : null,
  (s) =>
    !s.log.groups && s.log.commit_us_p99 > kCommitSlowUs
      ? {
          id: "commit",
          level: "warning",
          title: "The disk is slow",
          detail: `The slowest 1 % of commits take ${microseconds(s.log.commit_us_p99)} or more.`,
          todo: "Every acknowledgement waits for the disk. Look for other programs that use it.",
        }
      : null,
  (s) =>
    s.quarantine.entries > 0
      ? {
          id: "quarantine",
          level: "warning",
          title: `${plural(s.quarantine.entries, "event")} in quarantine`,
          detail: "They could not be processed and are kept with their original bytes.",
          todo: "See Quarantine for the reasons. Events with an unknown token flow in when a project with that token is created.",
        }
      : null,
];

export function problems(status: Status): Problem[] {
  const found = kChecks.map((check) => check(status)).filter((p) => p !== null);
  return found.sort((a, b) => Number(b.level === "bad") - Number(a.level === "bad"));
}
