import { describe, expect, it } from "vitest";

import { base64_of_file, missing_value, moved, shown_value, typed_values, visible_fields } from "./app_form";

const schema = [
  { markdown: "Where to look." },
  { key: "mode", name: "Mode", type: "choice", choices: ["fast", "slow"], default: "fast" },
  { key: "key", name: "Key", secret: true, required: true },
  { key: "delay", type: "string", visible_if: [["mode", "slow"]] as [string, string][] },
];

describe("an app's form", () => {
  it("shows fields that depend on others only then", () => {
    expect(visible_fields(schema, { mode: "fast" }).map((f) => f.key)).toEqual([undefined, "mode", "key"]);
    expect(visible_fields(schema, { mode: "slow" }).map((f) => f.key)).toEqual([undefined, "mode", "key", "delay"]);
  });

  it("never shows a secret, and takes one that is set as given", () => {
    expect(shown_value(schema[2]!, { key: { secret: true } })).toBe("");
    expect(missing_value(schema, { key: { secret: true } })).toBe("");
    expect(missing_value(schema, {})).toBe("Key needs a value.");
  });

  it("fills defaults in", () => {
    expect(shown_value(schema[1]!, {})).toBe("fast");
  });

  it("sends numbers and dictionaries as what they are", () => {
    const fields = [{ key: "n", type: "number" }, { key: "d", type: "dictionary" }, { key: "j", type: "json" }, { key: "s" }];
    const typed = { n: "1.5", d: '{"a": "{event.event}"}', j: "[1]", s: "5" };
    expect(typed_values(fields, typed, true)).toEqual({ n: 1.5, d: { a: "{event.event}" }, j: [1], s: "5" });
    expect(typed_values(fields, typed, false).j).toBe("[1]");
    expect(typed_values(fields, { n: "", d: " ", s: "" }, true)).toEqual({ n: null, d: null, s: "" });
    expect(typed_values(fields, { n: "many", d: "{", j: "[" }, true)).toEqual({ n: "many", d: "{", j: "[" });
    expect(shown_value(fields[1]!, { d: { a: 1 } })).toBe('{\n  "a": 1\n}');
    expect(shown_value(fields[0]!, { n: 0 })).toBe("0");
  });

  it("moves an entry", () => {
    expect(moved(["a", "b", "c"], 2, 0)).toEqual(["c", "a", "b"]);
    expect(moved(["a", "b", "c"], 0, 1)).toEqual(["b", "a", "c"]);
  });

  it("sends a file's bytes as they are, however many", async () => {
    const bytes = Uint8Array.from({ length: 100_001 }, (_, i) => (i * 7) % 256);
    const back = Uint8Array.from(atob(await base64_of_file(new Blob([bytes]))), (c) => c.charCodeAt(0));
    expect(back).toEqual(bytes);
  });
});
