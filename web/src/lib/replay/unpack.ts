// posthog-js packs the large parts of an event by itself (`cv`): gzip, one Latin-1 character a byte.
import { is_object, kFull, kIncremental, kMutation, kStyleSheetRule, type RrwebEvent } from "./rrweb";

const kPackedMembers: Record<number, string[]> = {
  [kMutation]: ["texts", "attributes", "removes", "adds"],
  [kStyleSheetRule]: ["adds", "removes"],
};
const kNotPacked = "a packed part is not what posthog-js sends";

/** A small text may be gzip of a very large one; more than `max` bytes are not unpacked. */
async function gunzip(text: string, max: number): Promise<string> {
  const packed = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const byte = text.charCodeAt(i);
    if (byte > 0xff) throw new Error(kNotPacked);
    packed[i] = byte;
  }
  const reader = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip")).getReader();
  const decoder = new TextDecoder();
  let out = "";
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return out + decoder.decode();
    size += value.byteLength;
    if (size > max) {
      void reader.cancel().catch(() => undefined);
      throw new Error("an event is larger than the player unpacks");
    }
    out += decoder.decode(value, { stream: true });
  }
}

/** The event with plain parts, and how many bytes of text these were. Throws when it cannot be read. */
export async function unpack(event: RrwebEvent, max: number): Promise<{ event: RrwebEvent; bytes: number }> {
  if (event.cv === undefined) return { event, bytes: 0 };
  let bytes = 0;
  const plain = async (value: unknown): Promise<unknown> => {
    if (typeof value !== "string") return value;
    const text = await gunzip(value, max - bytes);
    bytes += text.length;
    return JSON.parse(text);
  };
  let data: unknown = event.data;
  if (event.type === kFull) {
    data = await plain(data);
  } else if (event.type === kIncremental && is_object(data)) {
    const copy = { ...data };
    for (const name of kPackedMembers[Number(copy["source"])] ?? []) {
      if (name in copy) copy[name] = await plain(copy[name]);
    }
    data = copy;
  }
  if (!is_object(data)) throw new Error(kNotPacked);
  return { event: { type: event.type, timestamp: event.timestamp, data }, bytes };
}
