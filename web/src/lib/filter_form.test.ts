import { expect, test } from "vitest";

import { is_complete, lets_all_pass, looks_at_persons, value_for, values_of, with_operator, written_filters } from "./filter_form";

test("what is typed becomes what PostHog stores", () => {
  expect(value_for({ key: "plan", operator: "exact" }, ["pro"])).toBe("pro");
  expect(value_for({ key: "plan", operator: "exact" }, ["pro", "team"])).toEqual(["pro", "team"]);
  expect(value_for({ key: "n", operator: "gt" }, ["10"])).toBe(10);
  expect(value_for({ key: "n", operator: "between" }, ["1", "10"])).toEqual([1, 10]);
  expect(value_for({ key: "n", operator: "is_set" }, ["1"])).toBeUndefined();
  expect(values_of({ key: "n", value: [1, "a", true] })).toEqual(["1", "a", "true"]);
});

test("another operator keeps what still means something", () => {
  expect(with_operator({ key: "k", operator: "exact", value: ["a", "b"] }, "icontains").value).toBe("a");
  expect(with_operator({ key: "k", operator: "exact", value: ["5", "6"] }, "between").value).toEqual([5, 6]);
  expect(with_operator({ key: "k", operator: "exact", value: "a" }, "is_set").value).toBeUndefined();
});

test("rows that are not filled in are not sent", () => {
  expect(is_complete({ key: "" })).toBe(false);
  expect(is_complete({ key: "k", operator: "exact" })).toBe(false);
  expect(is_complete({ key: "k", operator: "is_set" })).toBe(true);
  expect(is_complete({ key: "k", operator: "between", value: [1] })).toBe(false);
  expect(is_complete({ key: "1 = 1", type: "hogql" })).toBe(true);
  const written = written_filters({
    events: [{ id: "$pageview", properties: [{ key: "" }] }, { id: null }],
    properties: [{ key: "plan", value: "pro" }, { key: "x" }],
    actions: [{ id: 1 }],
    bytecode: ["_H", 1, 29],
    bytecode_error: "old",
  });
  expect(written).toEqual({
    events: [
      { id: "$pageview", name: "$pageview", type: "events", order: 0, properties: [] },
      { id: null, name: "All events", type: "events", order: 1, properties: [] },
    ],
    properties: [{ key: "plan", value: "pro" }],
    actions: [{ id: 1 }],
  });
});

test("what they let pass and look at is known without asking", () => {
  expect(lets_all_pass({})).toBe(true);
  expect(lets_all_pass({ properties: [{ key: "" }] })).toBe(true);
  expect(lets_all_pass({ filter_test_accounts: true })).toBe(false);
  const own = [{ key: "email", type: "person" as const }];
  expect(looks_at_persons({ filter_test_accounts: true }, own)).toBe(true);
  expect(looks_at_persons({ filter_test_accounts: false }, own)).toBe(false);
  expect(looks_at_persons({ events: [{ id: "a", properties: own }] }, [])).toBe(true);
});
