const kUuid = /[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}/i;

/** The first uuid inside any pasted text (a log line, a URL, quotes), in its usual form. */
export function find_uuid(text: string): string | null {
  const hit = kUuid.exec(text.trim());
  if (!hit) return null;
  const hex = hit[0].replaceAll("-", "").toLowerCase();
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join("-");
}

/** A random version 4 uuid. `crypto.randomUUID` exists on secure origins only; this works on all. */
export function random_uuid(): string {
  const b = crypto.getRandomValues(new Uint8Array(16));
  b[6] = ((b[6] ?? 0) & 0x0f) | 0x40;
  b[8] = ((b[8] ?? 0) & 0x3f) | 0x80;
  const hex = Array.from(b, (x) => x.toString(16).padStart(2, "0")).join("");
  return find_uuid(hex) ?? hex;
}
