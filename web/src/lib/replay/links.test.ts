import { describe, expect, it } from "vitest";

import type { QueryAnswer } from "../../api/types";
import { moment_of_row, moment_path, session_sql } from "./links";

const answer = (columns: string[]): QueryAnswer => ({
  query_id: "", columns, types: columns.map(() => "String"), results: [], rows: 1, rows_read: 1, bytes_read: 1, elapsed_ms: 1, truncated: false,
});

describe("links between events and recordings", () => {
  it("finds the moment in a row's properties or its own column", () => {
    const at = Date.parse("2026-08-01T12:00:00.250Z");
    expect(moment_of_row(answer(["timestamp", "properties"]), ["2026-08-01 12:00:00.250000", '{"$session_id":"s1"}'])).toEqual({ session: "s1", at });
    expect(moment_of_row(answer(["$session_id"]), ["s2"])).toEqual({ session: "s2", at: null });
    for (const properties of ["{}", "not json", "[]", '{"$session_id":7}']) {
      expect(moment_of_row(answer(["properties"]), [properties])).toBeNull();
    }
    expect(moment_of_row(answer(["event"]), ["x"])).toBeNull();
  });

  it("writes a session's id as text, whatever it holds", () => {
    expect(session_sql("a'b\\")).toContain("= 'a\\'b\\\\'");
    expect(moment_path({ session: "a/b?", at: 5 })).toBe("/replay/a%2Fb%3F?t=5");
  });
});
