import { describe, expect, it } from "vitest";

import type { TraceEntry, TraceState } from "../api/types";
import { explain, kNotFound, timeline } from "./trace_words";

function entry(state: TraceState, more: Partial<TraceEntry> = {}): TraceEntry {
  return {
    state,
    project_id: 1,
    received_at: "2026-08-01T12:00:00.000Z",
    lane: "main",
    partition: 3,
    offset: 1200,
    event: "signed up",
    distinct_id: "u1",
    reason: "",
    stage: "",
    status: 0,
    duplicates: 0,
    last_duplicate_at: null,
    steps: [],
    ...more,
  };
}

const states: TraceState[] = [
  "refused", "in_flight", "accepted", "stored", "dropped", "duplicate", "quarantined", "redriven",
];

describe("explain", () => {
  it.each(states)("says for %s what happened and what to do", (state) => {
    const e = explain(entry(state));
    expect(e.title.length).toBeGreaterThan(3);
    expect(e.happened).toMatch(/\.$/);
    expect(e.todo).toMatch(/\.$/);
  });

  it("has an answer for a uuid that was never seen", () => {
    expect(kNotFound.todo).toContain("host");
  });

  it("knows why an event with an unknown token waits and how to free it", () => {
    const e = explain(entry("quarantined", { reason: "unknown_token", stage: "team" }));
    expect(e.happened).toContain("belongs to no project");
    expect(e.todo).toContain("Create a project");
  });

  it("puts the status of a refusal into words, and a reason it does not know as given", () => {
    const e = explain(entry("refused", { status: 413, reason: "some_new_reason" }));
    expect(e.happened).toContain("413");
    expect(e.happened).toContain("too large");
    expect(e.happened).toContain("some new reason");
  });

  it("prefers the exact reason of a refusal to its status", () => {
    const e = explain(entry("refused", { status: 400, reason: "missing_distinct_id" }));
    expect(e.happened).toContain("no distinct_id");
    expect(e.happened).not.toContain("could not be understood");
  });

  it("counts later copies of a stored event", () => {
    expect(explain(entry("stored", { duplicates: 1 })).happened).toContain("1 later copy");
    expect(explain(entry("stored", { duplicates: 2 })).happened).toContain("2 later copies");
  });

  it("does not fail on a state it does not know yet", () => {
    expect(explain(entry("something" as TraceState)).title).toBeTruthy();
  });
});

describe("timeline", () => {
  it("ends at the door for a refusal", () => {
    const steps = timeline(entry("refused", { status: 400, reason: "invalid_json" }));
    expect(steps).toHaveLength(1);
    expect(steps[0]).toMatchObject({ state: "failed", detail: "Answered 400: invalid json" });
  });

  it("shows a stored event as three steps done, with its place in the log", () => {
    const steps = timeline(entry("stored", { steps: [{ name: "stored", at: "2026-08-01T12:00:01Z" }] }));
    expect(steps.map((s) => s.state)).toEqual(["done", "done", "done"]);
    expect(steps[0]?.detail).toBe("main lane, partition 3, position 1200");
    expect(steps[2]?.at).toBe("2026-08-01T12:00:01Z");
  });

  it.each(["in_flight", "accepted"] as const)("marks where %s is now", (state) => {
    expect(timeline(entry(state)).filter((s) => s.state === "now")).toHaveLength(1);
  });

  it("adds the copies that came later", () => {
    const steps = timeline(
      entry("stored", { duplicates: 2, last_duplicate_at: "2026-08-01T13:00:00Z" }),
    );
    expect(steps.at(-1)).toMatchObject({
      title: "2 copies arrived later",
      at: "2026-08-01T13:00:00Z",
    });
  });

  it("stops at the decision for what was dropped", () => {
    const steps = timeline(entry("dropped", { reason: "quarantine_full" }));
    expect(steps).toHaveLength(2);
    expect(steps[1]).toMatchObject({ title: "Dropped", state: "failed", detail: "quarantine full" });
  });
});
