import { describe, expect, it } from "vitest";

import { in_steps } from "./history_steps";

function point(second: number, rate: number, lag: number) {
  return {
    at: new Date(Date.UTC(2026, 7, 1, 12, 0, second)).toISOString(),
    events_per_s: rate,
    stored_per_s: rate / 2,
    ingest_lag: lag,
    load_lag: 0,
  };
}

describe("in_steps", () => {
  it("keeps the mean of rates and the peak of lags", () => {
    const steps = in_steps([point(0, 10, 1), point(1, 20, 90), point(5, 4, 2)], 5_000);
    expect(steps.map((s) => [s.events_per_s, s.stored_per_s, s.ingest_lag])).toEqual([
      [15, 7.5, 90],
      [4, 2, 2],
    ]);
    expect(steps[1]!.ms - steps[0]!.ms).toBe(5_000);
  });

  it("has nothing to say about nothing", () => {
    expect(in_steps([], 5_000)).toEqual([]);
  });
});
