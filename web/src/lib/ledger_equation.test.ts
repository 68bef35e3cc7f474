import { describe, expect, it } from "vitest";

import { again_text, bar_widths, dropped_text, equation, visible_parts } from "./ledger_equation";

const counts = {
  received: 120,
  stored: 100,
  deduplicated: 3,
  quarantined: 1,
  redriven: 0,
  in_flight: 14,
  dropped: { heatmaps_disabled: 1, invalid_distinct_id: 1 },
};

describe("equation", () => {
  it("adds up every place an event can be", () => {
    const e = equation(counts);
    expect(e.sum).toBe(120);
    expect(e.difference).toBe(0);
    expect(e.parts.find((p) => p.key === "dropped")?.value).toBe(2);
  });

  it("has what was received again out of quarantine once", () => {
    const e = equation({ ...counts, received: 123, redriven: 3 });
    expect(e.received).toBe(120);
    expect(e.again).toBe(3);
    expect(e.difference).toBe(0);
    expect(again_text(e)).toContain("3 of them came again");
    expect(again_text(equation(counts))).toBe("");
    expect(equation({ ...counts, received: 123, redriven: 2 }).difference).toBe(1);
  });

  it("shows a missing event as a difference, never hides it", () => {
    expect(equation({ ...counts, stored: 99 }).difference).toBe(1);
    expect(equation({ ...counts, stored: 101 }).difference).toBe(-1);
  });

  it("works on an installation that has seen nothing", () => {
    const e = equation({});
    expect(e.received).toBe(0);
    expect(e.difference).toBe(0);
    expect(visible_parts(e).map((p) => p.key)).toEqual(["stored", "in_flight"]);
  });

  it("leaves out what is 0, except stored and in flight", () => {
    expect(visible_parts(equation(counts)).map((p) => p.key)).toEqual([
      "stored",
      "in_flight",
      "deduplicated",
      "dropped",
      "quarantined",
    ]);
  });
});

describe("bar_widths", () => {
  it("fills exactly the bar", () => {
    const widths = bar_widths([1_000_000, 3, 0, 1]);
    expect(widths.reduce((a, b) => a + b)).toBeCloseTo(100);
    expect(widths[1]).toBe(1.5);
    expect(widths[2]).toBe(0);
  });

  it("is empty without events", () => {
    expect(bar_widths([0, 0])).toEqual([0, 0]);
  });
});

describe("dropped_text", () => {
  it("names the reasons, most frequent first", () => {
    expect(dropped_text({ dropped: { heatmaps_disabled: 2, invalid_distinct_id: 5 } })).toBe(
      "5 invalid distinct id, 2 heatmaps disabled",
    );
  });
});
