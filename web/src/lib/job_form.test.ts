import { describe, expect, it } from "vitest";

import { first_value, job_payload, job_problem, jobs_shown } from "./job_form";

const jobs = {
  "Import contacts": {
    payload: {
      since: { title: "First day", type: "date", required: true },
      pages: { type: "number", default: 3 },
      dry: { type: "boolean" },
      days: { type: "daterange" },
      filter: { type: "json", default: { plan: "pro" } },
      note: {},
    },
  },
  "Forget everything": {},
  "Export historical events": { payload: { dateFrom: { type: "date" } } },
};
const fields = jobs_shown(jobs, true)[0]!.fields;

describe("a public job's form", () => {
  it("leaves the host's own job to its tab", () => {
    expect(jobs_shown(jobs, true).map((job) => job.name)).toEqual(["Import contacts", "Forget everything"]);
    expect(jobs_shown(jobs, false).map((job) => job.name)).toContain("Export historical events");
    expect(jobs_shown({ a: null }, false)).toEqual([{ name: "a", fields: [] }]);
  });

  it("begins with the defaults", () => {
    expect(fields.map(([, field]) => first_value(field))).toEqual(["", "3", false, ["", ""], '{"plan":"pro"}', ""]);
    expect(job_payload(fields, {})).toEqual({ pages: 3, dry: false, filter: '{"plan":"pro"}' });
  });

  it("gives numbers as numbers and leaves out what is empty", () => {
    expect(job_payload(fields, { since: "2024-01-31", pages: "0", dry: true, days: ["2024-01-01", "2024-02-01"], filter: "", note: "x" })).toEqual({
      since: "2024-01-31", pages: 0, dry: true, days: ["2024-01-01", "2024-02-01"], note: "x",
    });
  });

  it("says what is wrong at a field", () => {
    expect(job_problem({ required: true }, "")).toBe("It needs a value.");
    expect(job_problem({ type: "number" }, "ten")).toBe("This is no number.");
    expect(job_problem({ type: "daterange" }, ["2024-01-01", ""])).toBe("A range has two days.");
    expect(job_problem({ type: "json" }, "{")).toBe("This is no valid JSON.");
    expect(job_problem({ type: "boolean", required: true }, false)).toBe("");
    expect(job_problem({}, "")).toBe("");
  });
});
