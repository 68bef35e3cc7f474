import { describe, expect, it } from "vitest";

import { events_sql, group_path, members_sql } from "./group_sql";

describe("SQL over a group", () => {
  it("keeps what a key holds text", () => {
    const sql = events_sql(2, "it's \\ a key", 5);
    expect(sql).toContain("'$group_2') = 'it\\'s \\\\ a key'");
    expect(sql).toContain("LIMIT 5");
    expect(members_sql(0, "a", 7)).toContain("LIMIT 7");
  });
  it("leads to the page of any key", () => {
    expect(group_path(1, "a/b?c=d&e.js")).toBe("/groups/1/of?key=a%2Fb%3Fc%3Dd%26e.js");
  });
});
