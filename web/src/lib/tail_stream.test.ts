import { describe, expect, it } from "vitest";

import { type Source, TailStream, type TailState } from "./tail_stream";

class FakeSource implements Source {
  listeners = new Map<string, (event: MessageEvent<string>) => void>();
  closed = false;
  onopen: ((event: Event) => void) | null = null;
  onerror: ((event: Event) => void) | null = null;

  addEventListener(type: string, listener: (event: MessageEvent<string>) => void): void {
    this.listeners.set(type, listener);
  }
  close(): void {
    this.closed = true;
  }
  send(type: string, data: string, id = ""): void {
    this.listeners.get(type)?.({ data, lastEventId: id } as MessageEvent<string>);
  }
}

function make() {
  const opened: { url: string; source: FakeSource }[] = [];
  const timers: { run: () => void; ms: number; id: number }[] = [];
  const states: TailState[] = [];
  const events: string[] = [];
  let behind = -1;
  let gaps = 0;
  const stream = new TailStream({
    url: (cursor) => (cursor === null ? "/tail" : `/tail?cursor=${cursor}`),
    on_event: (text) => events.push(text),
    on_behind: (n) => (behind = n),
    on_state: (state) => states.push(state),
    on_gap: () => gaps++,
    open: (url) => {
      const source = new FakeSource();
      opened.push({ url, source });
      return source;
    },
    set_timer: (run, ms) => {
      timers.push({ run, ms, id: timers.length + 1 });
      return timers.length;
    },
    clear_timer: (id) => {
      const at = timers.findIndex((t) => t.id === id);
      if (at >= 0) timers[at] = { run: () => undefined, ms: -1, id };
    },
  });
  const last = () => opened[opened.length - 1]!;
  const fire = (ms: (t: number) => boolean) => {
    const timer = timers.findLast((t) => ms(t.ms));
    const run = timer?.run;
    if (timer) timer.ms = -1;
    run?.();
  };
  return {
    stream, opened, states, events, last, fire, timers,
    get behind() { return behind; },
    get gaps() { return gaps; },
  };
}

describe("TailStream", () => {
  it("goes on from the last position after a failure, losing and repeating nothing", () => {
    const t = make();
    t.stream.start();
    t.last().source.onopen?.(new Event("open"));
    t.last().source.send("outcome", "a", "1-0");
    t.last().source.send("outcome", "b", "2-0");
    const first = t.last().source;
    first.onerror?.(new Event("error"));
    expect(first.closed).toBe(true);
    t.fire((ms) => ms > 0 && ms < 1000);
    expect(t.last().url).toBe("/tail?cursor=2-0");
    first.send("outcome", "late", "3-0");
    t.last().source.send("outcome", "c", "3-0");
    expect(t.events).toEqual(["a", "b", "c"]);
    expect(t.states).toEqual(["connecting", "live", "reconnecting", "live"]);
  });

  it("takes the position from progress reports too", () => {
    const t = make();
    t.stream.start();
    t.last().source.send("progress", '{"behind":7}', "9-9");
    expect(t.behind).toBe(7);
    t.last().source.onerror?.(new Event("error"));
    t.fire((ms) => ms > 0 && ms < 1000);
    expect(t.last().url).toBe("/tail?cursor=9-9");
  });

  it("waits longer after each failure, up to a bound", () => {
    const t = make();
    t.stream.start();
    const pauses: number[] = [];
    for (let i = 0; i < 8; i++) {
      t.last().source.onerror?.(new Event("error"));
      const timer = t.timers.findLast((x) => x.ms > 0)!;
      pauses.push(timer.ms);
      t.fire((ms) => ms === timer.ms);
    }
    expect(pauses.slice(0, 3)).toEqual([400, 800, 1600]);
    expect(pauses[7]).toBe(8000);
  });

  it("treats a long silence as a broken connection", () => {
    const t = make();
    t.stream.start();
    t.last().source.onopen?.(new Event("open"));
    t.fire((ms) => ms === 15_000);
    expect(t.states.at(-1)).toBe("reconnecting");
  });

  it("says when retention made a gap", () => {
    const t = make();
    t.stream.start();
    t.last().source.send("gap", "{}", "5-5");
    expect(t.gaps).toBe(1);
  });

  it("stays quiet once stopped", () => {
    const t = make();
    t.stream.start();
    const source = t.last().source;
    t.stream.stop();
    source.onerror?.(new Event("error"));
    source.send("outcome", "x", "1");
    expect(t.events).toEqual([]);
    expect(t.opened).toHaveLength(1);
    expect(t.states).toEqual(["connecting"]);
  });

  it("reads nothing while suspended and goes on behind the last event", () => {
    const t = make();
    t.stream.start();
    const first = t.last();
    first.source.send("outcome", "a", "0-1");
    t.stream.suspend();
    expect(first.source.closed).toBe(true);
    first.source.send("outcome", "late", "0-2");
    expect(t.events).toEqual(["a"]);
    t.stream.go_on();
    t.stream.go_on();
    expect(t.opened).toHaveLength(2);
    expect(t.last().url).toBe("/tail?cursor=0-1");
  });
});
