import { describe, expect, it } from "vitest";

import { snippets } from "./snippets";

describe("snippets", () => {
  const all = snippets("http://127.0.0.1:8000/", "phc_abc");

  it("carry the real token and address, ready to paste", () => {
    for (const s of all) {
      expect(s.code).toContain("phc_abc");
      expect(s.code).toContain("http://127.0.0.1:8000");
      expect(s.code).not.toContain("8000//");
    }
  });

  it("contain a curl body that is valid JSON", () => {
    const curl = all.find((s) => s.id === "curl")!.code;
    const body = /-d '([^']+)'/.exec(curl)?.[1] ?? "";
    expect(JSON.parse(body)).toMatchObject({ api_key: "phc_abc", event: "signed up" });
  });
});
