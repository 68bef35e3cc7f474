import { gzipSync } from "node:zlib";

import { describe, expect, it } from "vitest";

import { read_line, read_recording, split_lines, type ReadOptions } from "./read";

const kOptions: ReadOptions = { remote: false, own_host: "admin", from: 0, on_progress: () => undefined, stopped: () => false };

function stream_of(text: string, piece = 7): ReadableStream<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.slice(at, at + piece));
      at += piece;
    },
  });
}
const packed = (value: unknown): string => gzipSync(JSON.stringify(value)).toString("latin1");
const lines_of = (events: unknown[], window = "w"): string => events.map((e) => `${JSON.stringify([window, e])}\n`).join("");
const meta = (timestamp: number) => ({ type: 4, timestamp, data: { href: `https://a/${timestamp}`, width: 1, height: 1 } });
const full = (timestamp: number) => ({ type: 2, timestamp, data: { node: { type: 0, id: 1, childNodes: [] } } });
const step = (timestamp: number, filler = "") => ({ type: 3, timestamp, data: { source: 2, type: 2, filler } });

describe("reading a recording", () => {
  it("joins lines that come in pieces, characters of several bytes too", async () => {
    const out: string[] = [];
    for await (const line of split_lines(stream_of('["w",1]\n["☂☂","zwölf"]\n\nlast', 3).getReader())) out.push(line);
    expect(out).toEqual(['["w",1]', '["☂☂","zwölf"]', "", "last"]);
  });

  it("tells events, errors of the server and nonsense apart", () => {
    expect(read_line('["w",{"type":4,"timestamp":5,"data":{}}]')).toMatchObject({ window: "w", event: { timestamp: 5 } });
    expect(read_line('{"error":{"code":"corrupt","message":"cut off"}}')).toEqual({ error: "cut off" });
    expect(read_line("not json")).toEqual({ error: "a line that is not JSON" });
    expect(read_line('["w",{"type":"x"}]')).toEqual({ error: "an event that the player does not know" });
  });

  it("unpacks what posthog-js packed", async () => {
    const node = { type: 0, id: 1, childNodes: [{ type: 3, id: 2, textContent: "☂" }] };
    const events = [
      { type: 2, timestamp: 1, cv: "2024-10", data: packed({ node }) },
      { type: 3, timestamp: 2, cv: "2024-10", data: { source: 0, adds: packed([{ parentId: 1, node: { type: 3, id: 3, textContent: "neu" } }]), texts: [], attributes: [], removes: [] } },
      { type: 3, timestamp: 3, cv: "2024-10", data: { source: 0, adds: "not gzip" } },
    ];
    const { windows, damage } = await read_recording(stream_of(lines_of(events), 100), kOptions);
    expect(windows.get("w")?.[0]).toEqual({ type: 2, timestamp: 1, data: { node } });
    expect(windows.get("w")?.[1]?.data["adds"]).toMatchObject([{ node: { textContent: "neu" } }]);
    expect(damage).toHaveLength(1);
  });

  it("does not unpack a small event into a very large one", async () => {
    const bomb = { type: 2, timestamp: 1, cv: "2024-10", data: packed("x".repeat(40 << 20)) };
    const { windows, damage } = await read_recording(stream_of(lines_of([bomb]), 1 << 16), kOptions);
    expect(windows.size).toBe(0);
    expect(damage).toEqual(["an event is larger than the player unpacks"]);
  });

  it("stops at what it may hold, and reads on from there with the picture that was then", async () => {
    const events = [meta(1000), full(1001), step(1002, "y".repeat(50)), meta(2000), full(2001)];
    for (let i = 1; i < 100; i++) events.push(step(2001 + i, "x".repeat(100)));
    const text = lines_of(events);
    const first = await read_recording(stream_of(text, 1000), { ...kOptions, held_bytes_max: 5_000 });
    expect(first.ended).toBe("bound");
    expect(first.session.start).toBe(1000);
    const from = first.session.end;
    const second = await read_recording(stream_of(text, 1000), { ...kOptions, from, held_bytes_max: 100_000 });
    expect(second.ended).toBe("all");
    expect(second.windows.get("w")?.slice(0, 3).map((e) => e.timestamp)).toEqual([2000, 2001, 2002]);
    expect(second.session.end).toBe(2100);
  });

  it("keeps what had come when the connection ends or the person stops", async () => {
    const text = lines_of([meta(1), full(2), step(3)]);
    let pulls = 0;
    const broken = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (pulls++ === 0) controller.enqueue(new TextEncoder().encode(text));
        else controller.error(new Error("gone"));
      },
    });
    const nothing = new ReadableStream<Uint8Array>({ start: (c) => c.error(new Error("gone")) });
    await expect(read_recording(nothing, kOptions)).rejects.toThrow("gone");
    const kept = await read_recording(broken, kOptions);
    expect([kept.ended, kept.windows.get("w")?.length]).toEqual(["broken", 3]);
    let asked = 0;
    const stopped = await read_recording(stream_of(text, 1000), { ...kOptions, stopped: () => ++asked >= 2 });
    expect([stopped.ended, stopped.windows.get("w")?.length]).toEqual(["stopped", 2]);
  });
});
