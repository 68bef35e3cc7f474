import { describe, expect, it } from "vitest";

import { from_form, to_form, type Ingestion } from "./ingestion_form";

const kFull: Ingestion = {
  anonymize_ips: true,
  person_processing_opt_out: false,
  drop_events_older_than_seconds: 5400,
  groupidentify_without_person_processing: "keep",
  strip_sdk_state: false,
  event_filters: { mode: "live", filter: { or: [{ event: { exact: "ping" } }, { distinct_id: { contains: "bot" } }] } },
  schemas: [{ event: "bought", required: { price: "number" } }],
};

describe("the ingestion form", () => {
  it("comes back as it went in, with what it does not show", () => {
    expect(from_form(to_form(kFull), kFull)).toEqual(kFull);
    expect(from_form(to_form({}), {})).toEqual({});
  });
  it("shows hours and one test alone", () => {
    const form = to_form({ ...kFull, event_filters: { mode: "dry_run", filter: { event: { exact: "a" } } } });
    expect(form.hours).toBe("1.5");
    expect(form.tests).toEqual([{ field: "event", how: "exact", text: "a" }]);
  });
  it("leaves a filter it cannot show as it is", () => {
    const filter = { and: [{ event: { exact: "a" } }, { not: { event: { exact: "b" } } }] };
    const saved: Ingestion = { event_filters: { mode: "live", filter } };
    const form = to_form(saved);
    expect(form.tests).toBeNull();
    expect(from_form({ ...form, mode: "dry_run" }, saved)).toEqual({ event_filters: { mode: "dry_run", filter } });
  });
  it("drops empty tests and empty ages", () => {
    const form = { ...to_form(kFull), hours: " ", tests: [{ field: "event" as const, how: "exact" as const, text: "" }] };
    const out = from_form({ ...form, mode: "disabled" }, kFull);
    expect(out).not.toHaveProperty("drop_events_older_than_seconds");
    expect(out).not.toHaveProperty("event_filters");
  });
});
