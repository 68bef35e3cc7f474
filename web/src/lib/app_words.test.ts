import { expect, it } from "vitest";

import { app_words } from "./app_words";

it("says what an app changed", () => {
  expect(app_words({ id: 1, name: "Enrich", status: "succeeded", set: { plan: "pro" }, unset: ["$ip"] })).toBe(
    'Enrich succeeded: plan is "pro", without $ip',
  );
});

it("says why it failed, and cuts what is long", () => {
  expect(app_words({ id: 1, name: "A", status: "failed", error: "no way" })).toBe("A failed: no way");
  expect(app_words({ id: 1, name: "A", status: "succeeded", set: { x: "y".repeat(500) } }).length).toBeLessThan(90);
  expect(app_words({ id: 1, name: "A", status: "succeeded", keys: 30 })).toBe("A succeeded: 30 properties changed");
});

it("says why it was passed by", () => {
  expect(app_words({ id: 1, name: "A", status: "skipped", why: "its filters do not match" })).toBe(
    "A skipped: its filters do not match",
  );
});
