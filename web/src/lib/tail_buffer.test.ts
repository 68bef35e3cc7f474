import { describe, expect, it } from "vitest";

import { TailBuffer, received_ms } from "./tail_buffer";

function event(n: number, at = "2026-08-01T12:00:00.000Z"): string {
  return JSON.stringify({ uuid: `u${n}`, outcome: "accepted", received_at: at });
}

describe("TailBuffer", () => {
  it("shows the newest event first", () => {
    const buffer = new TailBuffer();
    buffer.push(event(1));
    buffer.push(event(2));
    expect(buffer.rows().map((r) => r.event.uuid)).toEqual(["u2", "u1"]);
  });

  it("keeps at most its bound and counts what it forgot", () => {
    const buffer = new TailBuffer(10);
    for (let i = 0; i < 1000; i++) buffer.push(event(i));
    expect(buffer.rows()).toHaveLength(10);
    expect(buffer.rows()[0]?.event.uuid).toBe("u999");
    expect(buffer.arrived).toBe(1000);
    expect(buffer.forgotten).toBe(990);
  });

  it("holds the view still while paused, counts, and loses nothing within the bound", () => {
    const buffer = new TailBuffer(10);
    buffer.push(event(1));
    buffer.pause();
    buffer.push(event(2));
    buffer.push(event(3));
    expect(buffer.rows().map((r) => r.event.uuid)).toEqual(["u1"]);
    expect(buffer.waiting).toBe(2);
    expect(buffer.forgotten).toBe(0);
    buffer.resume();
    expect(buffer.rows().map((r) => r.event.uuid)).toEqual(["u3", "u2", "u1"]);
    expect(buffer.waiting).toBe(0);
  });

  it("says when it is full, so that the reader can stop before anything is forgotten", () => {
    const buffer = new TailBuffer(3);
    buffer.pause();
    for (let i = 1; i <= 3; i++) {
      expect(buffer.full).toBe(false);
      buffer.push(event(i));
    }
    expect(buffer.full).toBe(true);
    buffer.resume();
    expect(buffer.full).toBe(false);
    expect(buffer.rows()).toHaveLength(3);
  });

  it("counts every event of a long pause though it keeps only the newest", () => {
    const buffer = new TailBuffer(10);
    buffer.push(event(0));
    buffer.pause();
    for (let i = 1; i <= 500; i++) buffer.push(event(i));
    expect(buffer.waiting).toBe(500);
    buffer.resume();
    expect(buffer.rows()).toHaveLength(10);
    expect(buffer.forgotten).toBe(491);
  });

  it("gives each row a key of its own, so that a list can follow it", () => {
    const buffer = new TailBuffer(3);
    for (let i = 0; i < 20; i++) buffer.push(event(1));
    expect(new Set(buffer.rows().map((r) => r.key)).size).toBe(3);
  });

  it("puts events into the second they were received in", () => {
    const buffer = new TailBuffer();
    const now = Date.parse("2026-08-01T12:01:00.500Z");
    buffer.push(event(1, "2026-08-01T12:00:59.999Z"));
    buffer.push(event(2, "2026-08-01T12:00:59.000Z"));
    buffer.push(event(3, "2026-08-01T12:00:00.100Z"));
    buffer.push(event(4, "2026-08-01T11:00:00.000Z"));
    const rate = buffer.rate(now);
    expect(rate).toHaveLength(60);
    expect(rate[59]).toBe(2);
    expect(rate[0]).toBe(1);
    expect(rate.reduce((a, b) => a + b)).toBe(3);
  });

  it("does not grow with the span of a back-fill", () => {
    const buffer = new TailBuffer(10);
    const start = Date.parse("2026-08-01T00:00:00Z");
    for (let i = 0; i < 20_000; i++) {
      buffer.push(event(i, new Date(start + i * 1000).toISOString()));
    }
    const rate = buffer.rate(start + 20_000 * 1000);
    expect(rate.every((n) => n <= 1)).toBe(true);
    expect(rate[59]).toBe(1);
  });
});

describe("received_ms", () => {
  it("reads the time without parsing", () => {
    expect(received_ms('{"a":1,"received_at":"1970-01-01T00:00:01Z","b":2}')).toBe(1000);
    expect(received_ms("{}")).toBeNaN();
  });
});
