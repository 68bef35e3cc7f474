import { describe, expect, it } from "vitest";

import { name_axis, nearest, time_axis, time_text, y_axis, type Frame } from "./chart_scales";

const kFrame: Frame = { width: 500, height: 200, left: 50, right: 50, top: 10, bottom: 20 };
const kNoon = Date.UTC(2026, 7, 1, 12, 0, 0);
const kMinute = 60_000;

describe("time axis", () => {
  it("puts values where they belong in time, not side by side", () => {
    const axis = time_axis([kNoon, kNoon + kMinute, kNoon + 10 * kMinute], kFrame, true);
    expect([0, 1, 2].map((i) => Math.round(axis.at(i)))).toEqual([50, 90, 450]);
  });

  it("names times as exactly as the range needs", () => {
    expect(time_text(kNoon, kMinute, true)).toBe("12:00:00");
    expect(time_text(kNoon, 60 * kMinute, true)).toBe("12:00");
    expect(time_text(kNoon, 3 * 86_400_000, true)).toBe("08-01 12:00");
    expect(time_text(kNoon, 30 * 86_400_000, true)).toBe("08-01");
  });

  it("survives a single value", () => {
    expect(time_axis([kNoon], kFrame, true).at(0)).toBe(50);
  });
});

describe("name axis", () => {
  it("leaves out labels that would not fit", () => {
    const names = Array.from({ length: 40 }, (_, i) => `a rather long name ${i}`);
    const axis = name_axis(names, kFrame, "bar");
    expect(axis.ticks.length).toBeLessThan(10);
    expect(axis.ticks[0]?.text.length).toBeLessThanOrEqual(14);
  });

  it("finds the point under the pointer", () => {
    const axis = name_axis(["a", "b", "c"], kFrame, "bar");
    expect([0, 1, 2].map((i) => nearest(axis, 3, axis.at(i) + 5))).toEqual([0, 1, 2]);
  });
});

describe("y axis", () => {
  it("always includes zero, and has a height without values", () => {
    expect(y_axis([{ n: 5 }], ["n"], kFrame).domain()).toEqual([0, 5]);
    expect(y_axis([{ n: -3 }], ["n"], kFrame).domain()[1]).toBe(0);
    expect(y_axis([{ n: null }], ["n"], kFrame).domain()).toEqual([0, 1]);
  });
});
