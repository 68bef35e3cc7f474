import { expect, it } from "vitest";

import { share_of, share_words } from "./app_share";

it("counts parts of what came to the app's turn", () => {
  expect(share_of({ offered: 0, events: 0, changed: 0, dropped: 0 })).toBeNull();
  expect(share_of({ offered: 200, events: 100, changed: 50, dropped: 2 })).toEqual({ seen: 0.5, changed: 0.25, dropped: 0.01 });
});

it("never says nothing of something, or all of nearly all", () => {
  expect([0, 0.0001, 0.01, 0.424, 0.995, 1].map(share_words)).toEqual(["0 %", "< 1 %", "1 %", "42 %", "> 99 %", "100 %"]);
});
