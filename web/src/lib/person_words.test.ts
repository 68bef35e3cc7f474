import { expect, test } from "vitest";

import { filter_text, in_order_of_interest, parse_filters, person_name, person_of_path } from "./person_words";

test("a person is called by email, then name, then an id", () => {
  expect(person_name({ name: "Ada", email: "a@b.c" }, ["x"], "u")).toBe("a@b.c");
  expect(person_name({ name: "Ada", email: " " }, ["x"], "u")).toBe("Ada");
  expect(person_name({ name: 7 }, ["x"], "u")).toBe("x");
  expect(person_name({}, [], "u")).toBe("u");
  expect(person_name({}, ["01a22819-0706-71a8-b862-579400f206e6", "user-38"], "u")).toBe("user-38");
});

test("filters in words", () => {
  expect(filter_text({ key: "plan", operator: "exact", value: "pro" })).toBe("plan = pro");
  expect(filter_text({ key: "plan", operator: "is_set", value: "old" })).toBe("plan is set");
  expect(filter_text({ key: "plan", operator: "icontains" })).toBe("plan contains (empty)");
});

test("an address may hold anything", () => {
  expect(parse_filters(null)).toEqual([]);
  expect(parse_filters("{")).toEqual([]);
  expect(parse_filters("{}")).toEqual([]);
  expect(parse_filters('[1,null,{"key":"a","operator":"sudo"}]')).toEqual([]);
  expect(parse_filters('[{"key":"a","operator":"is_set"}]')).toHaveLength(1);
});

test("any distinct id can stand in an address", () => {
  expect(person_of_path("a/b?c#d e")).toBe("/persons/of?distinct_id=a%2Fb%3Fc%23d%20e");
});

test("what was set on purpose comes first", () => {
  const keys = Object.keys(in_order_of_interest({ $os: 1, $initial_os: 1, plan: 1, email: 1 }));
  expect(keys).toEqual(["email", "plan", "$os", "$initial_os"]);
});
