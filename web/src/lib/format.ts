// Numbers, sizes and times as people read them. English, fixed digits, so that columns line up.

const kWhole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const kOne = new Intl.NumberFormat("en-US", { maximumFractionDigits: 1 });

export function whole(n: number | undefined): string {
  return n === undefined || !Number.isFinite(n) ? "–" : kWhole.format(n);
}

export function per_second(n: number): string {
  return `${n < 10 ? kOne.format(n) : kWhole.format(n)}/s`;
}

export function bytes(n: number | undefined): string {
  if (n === undefined || !Number.isFinite(n)) return "–";
  const units = ["B", "KB", "MB", "GB", "TB"];
  let at = 0;
  let value = n;
  while (value >= 1000 && at < units.length - 1) {
    value /= 1000;
    at++;
  }
  return `${at === 0 || value >= 100 ? kWhole.format(value) : kOne.format(value)} ${units[at]}`;
}

export function microseconds(us: number | undefined): string {
  if (us === undefined || !Number.isFinite(us)) return "–";
  if (us < 1000) return `${kWhole.format(us)} µs`;
  if (us < 1_000_000) return `${kOne.format(us / 1000)} ms`;
  return `${kOne.format(us / 1_000_000)} s`;
}

export function milliseconds(ms: number): string {
  return microseconds(ms * 1000);
}

/** "3 d 4 h", "12 min", "8 s": the two largest units, no more. */
export function span(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  const minutes = Math.floor(s / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  const days = Math.floor(hours / 24);
  return hours % 24 ? `${days} d ${hours % 24} h` : `${days} d`;
}

export function ago(iso: string, now_ms: number): string {
  const then = Date.parse(iso);
  if (Number.isNaN(then)) return "";
  const seconds = (now_ms - then) / 1000;
  return seconds < 2 ? "just now" : `${span(seconds)} ago`;
}

function two(n: number): string {
  return String(n).padStart(2, "0");
}

/** Local time of day with milliseconds: what a live list needs to tell neighbours apart. */
export function clock(iso: string | undefined): string {
  const at = new Date(iso ?? "");
  if (Number.isNaN(at.getTime())) return "–";
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${String(
    at.getMilliseconds(),
  ).padStart(3, "0")}`;
}

export function day_and_time(iso: string | undefined, with_seconds = true): string {
  const at = new Date(iso ?? "");
  if (Number.isNaN(at.getTime())) return "–";
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  const time = `${two(at.getHours())}:${two(at.getMinutes())}`;
  return `${day} ${time}${with_seconds ? `:${two(at.getSeconds())}` : ""}`;
}

export function hours_minutes(iso: string): string {
  const at = new Date(iso);
  return Number.isNaN(at.getTime()) ? "" : `${two(at.getHours())}:${two(at.getMinutes())}`;
}

/** "missing_distinct_id" → "missing distinct id". */
export function words(tag: string): string {
  return tag.replaceAll("_", " ");
}

export function plural(n: number, one: string, many = `${one}s`): string {
  return `${whole(n)} ${n === 1 ? one : many}`;
}
