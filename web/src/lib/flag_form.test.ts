import { describe, expect, it } from "vitest";

import { decided, fits_form, flag_of, form_of, kNewForm, problem_of, summary, type Flag } from "./flag_form";

const kFlag: Flag = {
  id: 3,
  key: "checkout",
  name: "New checkout",
  active: true,
  tags: ["kept"],
  filters: {
    groups: [{ properties: [], rollout_percentage: 40 }],
    multivariate: { variants: [{ key: "a", name: "A", rollout_percentage: 25 }, { key: "b", rollout_percentage: 75 }] },
    payloads: { a: '{"n":1}', b: { n: 2 } },
    aggregation_group_type_index: null,
  },
};

describe("the form", () => {
  it("shows a flag and gives it back", () => {
    const form = form_of(kFlag);
    expect(form.rollout).toBe(40);
    expect(form.variants).toEqual([
      { key: "a", percentage: 25, payload: '{"n":1}' },
      { key: "b", percentage: 75, payload: '{"n":2}' },
    ]);
    const sent = flag_of(form, kFlag);
    expect(sent.filters?.multivariate).toEqual({
      variants: [{ key: "a", name: "A", rollout_percentage: 25 }, { key: "b", rollout_percentage: 75 }],
    });
    expect(sent.filters?.payloads).toEqual({ a: '{"n":1}', b: '{"n":2}' });
  });

  it("takes what it can keep, and nothing more", () => {
    expect(fits_form(kFlag)).toBe(true);
    expect(fits_form({ id: 1, key: "k" })).toBe(true);
    const with_filters = (filters: Flag["filters"]): Flag => ({ id: 1, key: "k", filters });
    expect(fits_form(with_filters({ groups: [{}, {}] }))).toBe(false);
    expect(fits_form(with_filters({ groups: [{ properties: [{ key: "x" }] }] }))).toBe(false);
    expect(fits_form(with_filters({ groups: [{ variant: "a" }] }))).toBe(false);
    expect(fits_form(with_filters({ groups: [], aggregation_group_type_index: 0 }))).toBe(false);
    expect(fits_form(with_filters({ groups: [], holdout: { id: 1 } }))).toBe(false);
    expect(fits_form(with_filters({ groups: [], super_groups: null, early_exit: false }))).toBe(true);
  });

  it("says what is wrong", () => {
    expect(problem_of({ ...kNewForm, key: "ok-1_x" })).toBeNull();
    expect(problem_of({ ...kNewForm, key: "no spaces" })).toContain("letters");
    const two = [
      { key: "a", percentage: 50, payload: "" },
      { key: "b", percentage: 40, payload: "" },
    ];
    expect(problem_of({ ...kNewForm, key: "k", variants: two })).toContain("90 %");
    expect(problem_of({ ...kNewForm, key: "k", payload: "{a:1}" })).toContain("JSON");
  });
});

describe("where a flag is decided", () => {
  const place = (filters: Flag["filters"], more: Partial<Flag> = {}) =>
    decided({ id: 1, key: "k", filters, ...more }).place;
  it("is here without conditions, else with the SDK, or nowhere yet", () => {
    expect(decided(kFlag).place).toBe("here");
    expect(place({ groups: [{ properties: [{ key: "email", type: "person" }] }] })).toBe("sdk");
    expect(place({ groups: [{}], aggregation_group_type_index: 0 })).toBe("sdk");
    expect(place({ groups: [{}], feature_enrollment: true })).toBe("nowhere");
    expect(place({ groups: [{ rollout_percentage: 50 }] }, { ensure_experience_continuity: true })).toBe("nowhere");
    expect(place({ groups: [{}] }, { ensure_experience_continuity: true })).toBe("here");
  });
  it("names what is asked for", () => {
    const flag: Flag = {
      id: 1,
      key: "k",
      filters: { groups: [{ properties: [{ type: "cohort" }] }, { properties: [{ type: "person" }] }] },
    };
    expect(decided(flag).why).toBe("Its conditions ask for cohorts and properties.");
    expect(summary(flag)).toBe("2 conditions");
    expect(summary(kFlag)).toBe("Everybody, 40 % · a 25 %, b 75 %");
    expect(summary({ id: 1, key: "k" })).toBe("Nobody: it has no condition");
  });
});
