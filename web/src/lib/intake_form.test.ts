import { describe, expect, it } from "vitest";

import { empty_restriction, from_form, to_form, type Admission } from "./intake_form";

const kFull: Admission = {
  weight: 3,
  cors_origins: ["https://a.example", "https://b.example"],
  overflow: { events_per_second: 50, burst: 500 },
  ai_bytes: { bytes_per_second: 1000, burst: 5000 },
  historical_only: true,
  historical_after_days: 7,
  quotas: [
    { resource: "events", events_per_month_max: 1000 },
    { resource: "recordings", limited_until: "2026-12-01T00:00:00Z" },
  ],
  restrictions: [
    { type: "redirect_to_topic", event_names: ["a", "b"], topic: "lab" },
    { type: "drop_event_from_ingestion", pipelines: ["ai"], distinct_ids: ["u"] },
  ],
};

describe("the intake form", () => {
  it("comes back as it went in, with what it does not show", () => {
    expect(from_form(to_form(kFull), kFull)).toEqual(kFull);
    expect(from_form(to_form({}), {})).toEqual({});
  });
  it("reads numbers as people write them and leaves the rest to the API", () => {
    const form = { ...to_form({}), limits: { events: " 1,000_000 " }, weight: "heavy" };
    const out = from_form(form, {});
    expect(out.quotas).toEqual([{ resource: "events", events_per_month_max: 1_000_000 }]);
    expect(out.weight).toBe("heavy");
  });
  it("a cleared field is a default again", () => {
    const form = to_form(kFull);
    expect(from_form({ ...form, rate: "", burst: " ", days: "", weight: "" }, kFull)).not.toHaveProperty("overflow");
    expect(from_form({ ...form, restrictions: [] }, kFull)).not.toHaveProperty("restrictions");
  });
  it("a redirect always names its topic, so that an empty one is refused", () => {
    const rule = { ...empty_restriction(), type: "redirect_to_topic", event_names: "x\n\n y " };
    expect(from_form({ ...to_form({}), restrictions: [rule] }, {}).restrictions).toEqual([
      { type: "redirect_to_topic", event_names: ["x", "y"], topic: "" },
    ]);
  });
});
