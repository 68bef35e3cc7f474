import { describe, expect, it } from "vitest";

import type { RrwebEvent } from "./rrweb";
import { kConsoleLinesMax, last_before, place, Session } from "./session";

const meta = (timestamp: number, href: string): RrwebEvent => ({ type: 4, timestamp, data: { href } });
const full = (timestamp: number): RrwebEvent => ({ type: 2, timestamp, data: { node: {} } });
const click = (timestamp: number): RrwebEvent => ({ type: 3, timestamp, data: { source: 2, type: 2 } });
const change = (timestamp: number): RrwebEvent => ({ type: 3, timestamp, data: { source: 0 } });
const says = (timestamp: number, level: string, ...payload: string[]): RrwebEvent => ({
  type: 6, timestamp, data: { plugin: "rrweb/console@1", payload: { level, payload, trace: [] } },
});

function session_of(...events: [string, RrwebEvent][]): Session {
  const session = new Session();
  for (const [window, event] of events) session.add(window, event);
  return session;
}

describe("a session's time", () => {
  it("finds pauses between what people did, at the ends too; changes of the page are none of it", () => {
    const s = session_of(["w", meta(1_000, "a")], ["w", full(1_001)], ["w", click(9_000)], ["w", click(12_000)],
      ["w", change(15_000)], ["w", click(30_000)], ["w", change(36_000)]);
    expect(s.idle()).toEqual([{ from: 1_000, to: 9_000 }, { from: 12_000, to: 30_000 }, { from: 30_000, to: 36_000 }]);
    expect([s.start, s.end, s.duration]).toEqual([1_000, 36_000, 35_000]);
  });

  it("counts a mouse's way from its first position", () => {
    const move: RrwebEvent = { type: 3, timestamp: 8_000, data: { source: 1, positions: [{ timeOffset: -3_000 }, { timeOffset: 0 }] } };
    expect(session_of(["w", full(1_000)], ["w", click(1_000)], ["w", move]).idle()).toEqual([]);
  });

  it("follows the window that is used, if it can be drawn", () => {
    const s = session_of(["a", full(1)], ["a", click(10)], ["lost", click(20)], ["b", full(30)], ["b", change(35)],
      ["b", click(40)], ["a", click(50)]);
    expect(s.segments).toEqual([{ from: 1, window: "a" }, { from: 40, window: "b" }, { from: 50, window: "a" }]);
    expect(s.segment_at(0)?.segment.window).toBe("a");
    expect(s.segment_at(45)).toEqual({ segment: { from: 40, window: "b" }, until: 50 });
    expect(session_of(["a", click(1)]).segment_at(1)).toBeNull();
  });

  it("marks pages once, clicks and console errors", () => {
    const view: RrwebEvent = { type: 5, timestamp: 3, data: { tag: "$pageview", payload: { href: "b" } } };
    const s = session_of(["w", meta(1, "a")], ["w", meta(2, "a")], ["w", view], ["w", click(4)], ["w", says(5, "error", '"no"')]);
    expect(s.markers).toEqual([
      { at: 1, kind: "page", label: "a" },
      { at: 3, kind: "page", label: "b" },
      { at: 4, kind: "click", label: "Click" },
      { at: 5, kind: "error", label: "no" },
    ]);
  });

  it("reads the console's arguments as text, and holds so many lines", () => {
    const s = session_of(["w", says(1, "log", '"a \\"b\\""', '{"n":1}')], ["w", says(2, "countReset", "1")], ["w", says(3, "assert")]);
    expect(s.console.map((l) => [l.level, l.text])).toEqual([["log", 'a "b" {"n":1}'], ["warn", "1"], ["error", ""]]);
    for (let i = 0; i < kConsoleLinesMax; i++) s.add("w", says(4 + i, "log", '"x"'));
    expect([s.console.length, s.console_left_out]).toEqual([kConsoleLinesMax, 3]);
  });

  it("finds the line that is now", () => {
    const list = [{ at: 10 }, { at: 20 }, { at: 20 }, { at: 30 }];
    expect([5, 10, 25, 99].map((at) => last_before(list, at))).toEqual([-1, 0, 2, 3]);
    expect([0, 61_500, 3_723_000].map(place)).toEqual(["0:00", "1:01", "1:02:03"]);
  });
});
