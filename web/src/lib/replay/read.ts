// Reads a recording as it streams in: lines, unpacked, cleaned, in slices short enough that the page
// goes on answering, and no more of them than a page should hold.
import { Cleaner, type CleanOptions, type LeftOut } from "./clean";
import { as_event, is_object, kFull, kMeta, type RrwebEvent } from "./rrweb";
import { Session } from "./session";
import { unpack } from "./unpack";

/** What is held of one recording, as bytes of its text; objects take a few times that. */
export const kHeldBytesMax = 64 << 20;
const kEventsMax = 400_000;
const kEventBytesMax = 32 << 20;
const kSliceMs = 12;
const kDamageMax = 100;

export interface Recording {
  session: Session;
  /** Each window's events, in the order of time. */
  windows: Map<string, RrwebEvent[]>;
  left_out: LeftOut;
  /** What the server or this reader could not read, in words. */
  damage: string[];
  bytes: number;
  /** all: the stream ended · bound: more than is held at once · stopped: by the person · broken: the connection ended. */
  ended: "all" | "bound" | "stopped" | "broken";
}

export interface ReadOptions extends CleanOptions {
  /** Skips to here; what is needed to draw this moment is kept. */
  from: number;
  held_bytes_max?: number;
  on_progress: (bytes: number) => void;
  stopped: () => boolean;
}

/** The stream's lines. One may be 17 MiB, so pieces are joined only when their end has come. */
export async function* split_lines(reader: ReadableStreamDefaultReader<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let pieces: string[] = [];
  for (;;) {
    const { done, value } = await reader.read();
    const text = done ? decoder.decode() : decoder.decode(value, { stream: true });
    let from = 0;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", from)) {
      pieces.push(text.slice(from, end));
      yield pieces.join("");
      pieces = [];
      from = end + 1;
    }
    if (from < text.length) pieces.push(text.slice(from));
    if (done) break;
  }
  if (pieces.length > 0) yield pieces.join("");
}

type Line = { window: string; event: RrwebEvent } | { error: string };

export function read_line(text: string): Line {
  try {
    const line: unknown = JSON.parse(text);
    if (Array.isArray(line) && typeof line[0] === "string") {
      const event = as_event(line[1]);
      return event ? { window: line[0], event } : { error: "an event that the player does not know" };
    }
    if (is_object(line) && is_object(line["error"])) return { error: String(line["error"]["message"]) };
  } catch {
    // Said below.
  }
  return { error: "a line that is not JSON" };
}

class Reader {
  readonly cleaner: Cleaner;
  readonly windows = new Map<string, RrwebEvent[]>();
  readonly damage: string[] = [];
  readonly #sizes = new Map<RrwebEvent, number>();
  held = 0;
  events = 0;

  constructor(readonly options: ReadOptions) {
    this.cleaner = new Cleaner(options);
  }

  spoiled(words: string): void {
    if (this.damage.length < kDamageMax) this.damage.push(words);
  }

  async line(text: string): Promise<void> {
    const line = read_line(text);
    if ("error" in line) return this.spoiled(line.error);
    let event: RrwebEvent;
    let bytes = text.length;
    try {
      const plain = await unpack(line.event, kEventBytesMax);
      event = plain.event;
      bytes = Math.max(bytes, plain.bytes);
    } catch (error) {
      return this.spoiled(error instanceof Error ? error.message : String(error));
    }
    if (!this.cleaner.clean(event)) return;
    const before = event.timestamp < this.options.from;
    const list = this.windows.get(line.window) ?? [];
    if (before && (event.type === kMeta || event.type === kFull)) {
      // A new picture: nothing before it is needed. A meta event belongs to the picture after it.
      const keep = event.type === kFull && list.length === 1 && list[0]?.type === kMeta ? 1 : 0;
      for (const gone of list.splice(keep)) this.#forget(gone);
    }
    list.push(event);
    this.windows.set(line.window, list);
    this.#sizes.set(event, bytes);
    this.held += bytes;
    this.events++;
  }

  #forget(event: RrwebEvent): void {
    this.held -= this.#sizes.get(event) ?? 0;
    this.events--;
    this.#sizes.delete(event);
  }

  get full(): boolean {
    return this.held > (this.options.held_bytes_max ?? kHeldBytesMax) || this.events > kEventsMax;
  }

  /** All that was kept, in the order of time over all windows. */
  session(): Session {
    const session = new Session();
    const all: [string, RrwebEvent][] = [];
    for (const [window, events] of this.windows) for (const event of events) all.push([window, event]);
    all.sort((a, b) => a[1].timestamp - b[1].timestamp);
    for (const [window, event] of all) session.add(window, event);
    return session;
  }
}

export async function read_recording(body: ReadableStream<Uint8Array>, options: ReadOptions): Promise<Recording> {
  const stream = body.getReader();
  const reader = new Reader(options);
  let bytes = 0;
  let ended: Recording["ended"] = "all";
  let slice = performance.now();
  try {
    for await (const text of split_lines(stream)) {
      bytes += text.length + 1;
      if (text !== "") await reader.line(text);
      if (performance.now() - slice > kSliceMs) {
        options.on_progress(bytes);
        await new Promise((done) => setTimeout(done));
        slice = performance.now();
      }
      if (options.stopped()) ended = "stopped";
      else if (reader.full) ended = "bound";
      if (ended !== "all") break;
    }
  } catch (error) {
    if (options.stopped()) ended = "stopped";
    else if (reader.events === 0) throw error;
    else ended = "broken";
  }
  void stream.cancel().catch(() => undefined);
  options.on_progress(bytes);
  return {
    session: reader.session(),
    windows: reader.windows,
    left_out: reader.cleaner.left_out,
    damage: reader.damage,
    bytes,
    ended,
  };
}
