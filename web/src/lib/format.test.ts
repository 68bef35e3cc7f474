import { describe, expect, it } from "vitest";

import { ago, bytes, microseconds, per_second, plural, span, whole } from "./format";

describe("format", () => {
  it("writes numbers people can read", () => {
    expect(whole(12345)).toBe("12,345");
    expect(whole(undefined)).toBe("–");
    expect(per_second(0.25)).toBe("0.3/s");
    expect(per_second(1234.5)).toBe("1,235/s");
    expect(plural(1, "event")).toBe("1 event");
    expect(plural(2, "copy", "copies")).toBe("2 copies");
  });

  it("writes sizes and times in the unit that fits", () => {
    expect(bytes(999)).toBe("999 B");
    expect(bytes(1_500_000)).toBe("1.5 MB");
    expect(microseconds(250)).toBe("250 µs");
    expect(microseconds(2_100)).toBe("2.1 ms");
    expect(microseconds(3_000_000)).toBe("3 s");
    expect(span(59)).toBe("59 s");
    expect(span(3_700)).toBe("1 h 1 min");
    expect(span(90_000)).toBe("1 d 1 h");
    expect(ago("2026-08-01T12:00:00Z", Date.parse("2026-08-01T12:05:00Z"))).toBe("5 min ago");
  });
});
