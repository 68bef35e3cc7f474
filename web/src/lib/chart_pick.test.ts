import { describe, expect, it } from "vitest";

import { compare, is_number, is_time, kBarsMax, kSeriesMax, pick_chart, plain_type } from "./chart_pick";

describe("types", () => {
  it("looks through wrappers", () => {
    expect(plain_type("LowCardinality(Nullable(String))")).toBe("String");
    expect(plain_type("SimpleAggregateFunction(max, DateTime)")).toBe("DateTime");
    expect(is_number("Nullable(UInt64)")).toBe(true);
    expect(is_number("Interval")).toBe(false);
    expect(is_time("DateTime64(6, 'UTC')")).toBe(true);
    expect(is_time("Array(Date)")).toBe(false);
  });
});

describe("pick_chart", () => {
  it("draws numbers over time as lines, oldest first", () => {
    const plan = pick_chart(
      ["t", "n"],
      ["DateTime", "UInt64"],
      [["2026-08-01 12:01:00", "5"], ["2026-08-01 12:00:00", "3"]],
    );
    expect(plan).toMatchObject({ kind: "line", x: "t", series: ["n"] });
    expect(plan?.points.map((p) => p["n"])).toEqual([3, 5]);
  });

  it("draws numbers by name as bars, in the order of the answer", () => {
    const plan = pick_chart(["event", "n"], ["String", "UInt64"], [["b", "5"], ["a", "3"]]);
    expect(plan).toMatchObject({ kind: "bar", x: "event" });
    expect(plan?.points.map((p) => p["event"])).toEqual(["b", "a"]);
  });

  it("draws one line per name, missing minutes as 0", () => {
    const plan = pick_chart(
      ["t", "event", "n"],
      ["DateTime", "String", "UInt64"],
      [["12:00", "a", "1"], ["12:00", "b", "9"], ["12:01", "b", "2"]],
    );
    expect(plan?.series).toEqual(["b", "a"]);
    expect(plan?.points).toEqual([{ t: "12:00", a: 1, b: 9 }, { t: "12:01", a: 0, b: 2 }]);
  });

  it("takes a leading whole number as x when there is nothing better", () => {
    const plan = pick_chart(["hour", "n"], ["UInt8", "UInt64"], [[0, "5"], [1, "6"]]);
    expect(plan).toMatchObject({ kind: "line", x: "hour", series: ["n"] });
  });

  it("has nothing to draw without a number, an x, or a second row", () => {
    expect(pick_chart(["a", "b"], ["String", "String"], [["x", "y"], ["x", "z"]])).toBeNull();
    expect(pick_chart(["n"], ["UInt64"], [["1"], ["2"]])).toBeNull();
    expect(pick_chart(["event", "n"], ["String", "UInt64"], [["a", "1"]])).toBeNull();
  });

  it("bounds what it draws and says what it left out", () => {
    const rows = Array.from({ length: 100 }, (_, i) => [`e${i}`, String(100 - i)]);
    const plan = pick_chart(["event", "n"], ["String", "UInt64"], rows);
    expect(plan?.points).toHaveLength(kBarsMax);
    expect(plan?.points_left_out).toBe(60);
    const wide = rows.map(([e, n]) => ["2026-08-01", e, n]);
    const lines = pick_chart(["t", "e", "n"], ["Date", "String", "UInt64"], wide);
    expect(lines?.series).toHaveLength(kSeriesMax);
    expect(lines?.series_left_out).toBe(94);
  });

  it("draws gaps for null", () => {
    const plan = pick_chart(["t", "n"], ["Date", "Nullable(Float64)"], [["1", null], ["2", 1.5]]);
    expect(plan?.points[0]?.["n"]).toBeNull();
  });
});

describe("compare", () => {
  it("orders 64-bit numbers in text exactly", () => {
    const values = ["18446744073709551615", "9", "18446744073709551614", "10"];
    expect(values.sort(compare)).toEqual(["9", "10", "18446744073709551614", "18446744073709551615"]);
  });

  it("puts null last and text in order", () => {
    expect(["b", null, "a"].sort(compare)).toEqual(["a", "b", null]);
  });
});
