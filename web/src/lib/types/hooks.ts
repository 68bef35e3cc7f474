// JavaScript says nothing about types: what Penstock calls gets them by a comment that only the
// language service sees. Places are then to be carried over between both texts.

/** Where something was inserted, in the original's offsets, and how much of it; in order. */
export type Insertions = { at: number; length: number }[];

const kHooks = [
  "setupPlugin", "teardownPlugin", "processEvent", "processEventBatch", "onEvent", "exportEvents", "composeWebhook",
  "getSettings", "runEveryMinute", "runEveryHour", "runEveryDay", "jobs", "metrics",
];
const kDeclared = new RegExp(
  String.raw`^(?:export\s+(?:default\s+)?)?(?:(?:async\s+)?function\s+(${kHooks.join("|")})\b|(?:const|let|var)\s+(${kHooks.join("|")})\s*=)`,
  "gm",
);

export function inserted_types(name: string, text: string): { text: string; insertions: Insertions } {
  if (!/\.([cm]?js|jsx)$/.test(name)) return { text, insertions: [] };
  const insertions: Insertions = [];
  let typed = "";
  let done = 0;
  for (const found of text.matchAll(kDeclared)) {
    // What its author says goes before.
    if (/\*\/\s*$/.test(text.slice(0, found.index))) continue;
    const comment = `/** @type {NonNullable<Plugin<{}>[${JSON.stringify(found[1] ?? found[2])}]>} */ `;
    typed += text.slice(done, found.index) + comment;
    done = found.index;
    insertions.push({ at: found.index, length: comment.length });
  }
  return { text: typed + text.slice(done), insertions };
}

export function to_typed(insertions: Insertions, at: number): number {
  return insertions.reduce((place, one) => (one.at <= at ? place + one.length : place), at);
}

/** Whether a place in the typed text is in something that its author has not written. */
export function is_inserted(insertions: Insertions, at: number): boolean {
  let shift = 0;
  for (const one of insertions) {
    const begin = one.at + shift;
    if (at >= begin && at < begin + one.length) return true;
    shift += one.length;
  }
  return false;
}

/** What lies in something inserted is where that was inserted. */
export function to_original(insertions: Insertions, at: number): number {
  let place = at;
  for (const one of insertions) {
    if (place < one.at) break;
    place = Math.max(one.at, place - one.length);
  }
  return place;
}
