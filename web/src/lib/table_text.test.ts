import { describe, expect, it } from "vitest";

import type { QueryAnswer } from "../api/types";
import { cell_text, pretty, to_csv, to_json } from "./table_text";

const answer: QueryAnswer = {
  query_id: "q",
  columns: ["event", "n"],
  types: ["String", "UInt64"],
  results: [['say "hi", you', "18446744073709551615"], [null, "1"]],
  rows: 2,
  rows_read: 2,
  bytes_read: 2,
  elapsed_ms: 1,
  truncated: false,
};

describe("table text", () => {
  it("writes CSV that quotes what needs it and keeps 64-bit numbers whole", () => {
    expect(to_csv(answer)).toBe('event,n\r\n"say ""hi"", you",18446744073709551615\r\n,1\r\n');
  });

  it("writes JSON rows by column name", () => {
    expect(JSON.parse(to_json(answer))[1]).toEqual({ event: null, n: "1" });
  });

  it("lays out JSON found inside text, and leaves other text alone", () => {
    expect(pretty('{"a":1}')).toBe('{\n  "a": 1\n}');
    expect(pretty("{not json")).toBe("{not json");
    expect(cell_text([1, 2])).toBe("[1,2]");
  });
});
