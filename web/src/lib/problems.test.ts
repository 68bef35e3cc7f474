import { describe, expect, it } from "vitest";

import type { Status } from "../api/types";
import { problems } from "./problems";

function healthy(): Status {
  return {
    version: "0.1.0",
    uptime_s: 10,
    ready: true,
    data_dir: "/data",
    stages: ["capture", "ingest", "load", "admin"],
    log: {
      disk_bytes: 1,
      commits_total: 1,
      commit_us_p50: 1000,
      commit_us_p99: 2000,
      disk_full: false,
      disk_free_bytes: 50e9,
    },
    ingest: { events_total: 1, lag_records: 0, cpu_us_per_event: 10, last_error: "" },
    load: {
      rows_total: 1,
      batches_total: 1,
      lag_records: 0,
      last_insert_us: 1,
      retries_total: 0,
      last_error: "",
    },
    store: {
      ready: true,
      engine: "clickhouse",
      version: "1",
      restarts: 0,
      memory_bytes: 1,
      disk_bytes: 1,
      detail: "",
    },
    ledger: {
      balance: {
        balanced: true,
        received: 1,
        received_by_offsets: 1,
        decided: 1,
        decided_by_offsets: 1,
        stored: 1,
        accepted: 1,
        detail: "",
      },
      totals: { received: 1, stored: 1, in_flight: 0, dropped: {} },
    },
    quarantine: { entries: 0, bytes: 0 },
    memory: { rss_bytes: 1 },
    history: { step_s: 1, points: [] },
  };
}

describe("problems", () => {
  it("takes half a second for slow of a disk, and not of brokers", () => {
    const s = healthy();
    s.log.commit_us_p99 = 500_000;
    expect(problems(s).map((p) => p.id)).toEqual(["commit"]);
    s.log.groups = [];
    expect(problems(s)).toEqual([]);
    s.log.commit_us_p99 = 3_000_000;
    expect(problems(s).map((p) => p.id)).toEqual(["brokers"]);
  });

  it("has nothing to say about a healthy installation", () => {
    expect(problems(healthy())).toEqual([]);
  });

  it("puts what hurts most first, and each comes with something to do", () => {
    const s = healthy();
    s.quarantine.entries = 3;
    s.log.disk_full = true;
    s.store.ready = false;
    const found = problems(s);
    expect(found.map((p) => p.id)).toEqual(["disk_full", "engine", "quarantine"]);
    expect(found.every((p) => p.todo.length > 10)).toBe(true);
  });

  it("notices books that do not add up even if the server calls them balanced", () => {
    const s = healthy();
    s.ledger.totals.stored = 0;
    expect(problems(s).map((p) => p.id)).toEqual(["unbalanced"]);
  });

  it("does not keep complaining about an old insert error once all is written", () => {
    const s = healthy();
    s.load!.last_error = "timeout";
    expect(problems(s)).toEqual([]);
    s.load!.lag_records = 10;
    expect(problems(s).map((p) => p.id)).toEqual(["load"]);
  });

  it("speaks up about lag, slow commits and little space", () => {
    const s = healthy();
    s.ingest!.lag_records = 60_000;
    s.log.commit_us_p99 = 400_000;
    s.log.disk_free_bytes = 1e9;
    expect(problems(s).map((p) => p.id)).toEqual(["disk_low", "lag", "commit"]);
  });
});
