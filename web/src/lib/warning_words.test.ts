import { describe, expect, it } from "vitest";

import { read_details, spread, words_of } from "./warning_words";

describe("words_of", () => {
  it("says what to do about a known type and names an unknown one", () => {
    expect(words_of("billing_limit_exceeded").todo).toContain("quota");
    expect(words_of("some_new_thing").title).toBe("Some new thing");
    expect(words_of("constructor").title).toBe("Constructor");
  });
});

describe("read_details", () => {
  it("takes what every warning has and keeps the rest", () => {
    const d = read_details(
      '{"eventUuid":"u","event":"e","distinctId":"d","severity":"error","category":"event","path":"/batch/"}',
    );
    expect(d).toMatchObject({ uuid: "u", event: "e", distinct_id: "d", severity: "error" });
    expect(d.rest).toEqual({ path: "/batch/" });
  });
  it("bears anything", () => {
    expect(read_details("not json").rest).toEqual({ details: "not json" });
    expect(read_details("[1]").severity).toBe("warning");
    expect(read_details("null").event).toBe("");
    expect(read_details('{"message":{"a":1}}').message).toBe('{"a":1}');
  });
});

describe("spread", () => {
  it("puts counts where they belong and drops what lies outside", () => {
    expect(spread([0, 2, 9, -1], [3, 1, 7, 7], 4)).toEqual([3, 0, 1, 0]);
    expect(spread([], [], 2)).toEqual([0, 0]);
  });
});
