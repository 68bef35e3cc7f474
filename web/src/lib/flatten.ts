// A JSON value as flat lines, so that a view can fold, search and list it. Events come from
// outside: depth and size are bounded, and nothing here recurses.

export interface Line {
  path: string;
  key: string;
  depth: number;
  kind: "object" | "array" | "string" | "number" | "boolean" | "null";
  text: string;
  children: number;
}

export const kLinesMax = 2_000;
const kDepthMax = 40;

function kind_of(value: unknown): Line["kind"] {
  if (value === null || value === undefined) return "null";
  if (Array.isArray(value)) return "array";
  const type = typeof value;
  return type === "object" || type === "string" || type === "boolean" ? type : "number";
}

function text_of(value: unknown, kind: Line["kind"]): string {
  if (kind === "object") return "{…}";
  if (kind === "array") return "[…]";
  return kind === "null" ? "null" : String(value);
}

export function flatten(root: unknown): Line[] {
  const lines: Line[] = [];
  const todo: { key: string; path: string; depth: number; value: unknown }[] = [];
  const push_children = (value: object, path: string, depth: number): void => {
    const entries = Object.entries(value).slice(0, kLinesMax);
    for (const [key, child] of entries.reverse()) {
      todo.push({ key, path: path ? `${path}.${key}` : key, depth, value: child });
    }
  };
  if (root !== null && typeof root === "object") push_children(root, "", 0);
  while (todo.length > 0 && lines.length < kLinesMax) {
    const at = todo.pop()!;
    const kind = kind_of(at.value);
    const nested = kind === "object" || kind === "array";
    const children = nested ? Object.keys(at.value as object).length : 0;
    const deep = nested && at.depth >= kDepthMax;
    lines.push({
      path: at.path,
      key: at.key,
      depth: at.depth,
      kind,
      text: deep ? JSON.stringify(at.value).slice(0, 200) : text_of(at.value, kind),
      children: deep ? 0 : children,
    });
    if (nested && !deep) push_children(at.value as object, at.path, at.depth + 1);
  }
  return lines;
}

/** Lines to show: those matching the search with their parents, or those not folded away. */
export function visible_lines(lines: Line[], search: string, folded: Set<string>): Line[] {
  const wanted = search.trim().toLowerCase();
  if (wanted) {
    const keep = new Set<string>();
    for (const line of lines) {
      const hit =
        line.path.toLowerCase().includes(wanted) ||
        (line.children === 0 && line.text.toLowerCase().includes(wanted));
      if (!hit) continue;
      const parts = line.path.split(".");
      for (let n = 1; n <= parts.length; n++) keep.add(parts.slice(0, n).join("."));
    }
    return lines.filter((line) => keep.has(line.path));
  }
  const out: Line[] = [];
  let hidden_below = Number.POSITIVE_INFINITY;
  for (const line of lines) {
    if (line.depth > hidden_below) continue;
    hidden_below = Number.POSITIVE_INFINITY;
    out.push(line);
    if (folded.has(line.path)) hidden_below = line.depth;
  }
  return out;
}
