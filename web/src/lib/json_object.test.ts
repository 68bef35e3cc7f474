import { describe, expect, it } from "vitest";

import { parse_object } from "./json_object";

describe("parse_object", () => {
  it("takes objects alone", () => {
    expect(parse_object('{"a":[1]}')).toEqual({ a: [1] });
    expect(parse_object("{}")).toEqual({});
    for (const text of ["", "{", "[]", "null", "1", '"x"']) expect(parse_object(text)).toBeNull();
  });
});
