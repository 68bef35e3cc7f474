import { describe, expect, it } from "vitest";

import { flatten, kLinesMax, visible_lines } from "./flatten";

describe("flatten", () => {
  it("lists values in order with their depth and path", () => {
    const lines = flatten({ a: 1, b: { c: "x", d: [true, null] } });
    expect(lines.map((l) => `${l.depth} ${l.path} ${l.text}`)).toEqual([
      "0 a 1",
      "0 b {…}",
      "1 b.c x",
      "1 b.d […]",
      "2 b.d.0 true",
      "2 b.d.1 null",
    ]);
  });

  it("stays within its bounds on 10,000 levels and on 10,000 keys", () => {
    let deep: unknown = 1;
    for (let i = 0; i < 3_000; i++) deep = { d: deep };
    expect(flatten({ deep }).length).toBeLessThan(60);
    const wide = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`k${i}`, i]));
    expect(flatten(wide)).toHaveLength(kLinesMax);
  });

  it("has no lines for something that is not an object", () => {
    expect(flatten("text")).toEqual([]);
    expect(flatten(null)).toEqual([]);
  });
});

describe("visible_lines", () => {
  const lines = flatten({ url: "/pricing", nested: { plan: "pro", seats: 4 } });

  it("finds keys and values and keeps their parents", () => {
    expect(visible_lines(lines, "PRO", new Set()).map((l) => l.path)).toEqual(["nested", "nested.plan"]);
    expect(visible_lines(lines, "url", new Set()).map((l) => l.path)).toEqual(["url"]);
    expect(visible_lines(lines, "nothing", new Set())).toEqual([]);
  });

  it("folds", () => {
    expect(visible_lines(lines, "", new Set(["nested"])).map((l) => l.path)).toEqual(["url", "nested"]);
  });
});
