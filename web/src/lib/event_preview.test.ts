import { describe, expect, it } from "vitest";

import type { TailEvent } from "../api/types";
import { event_preview } from "./event_preview";

const accepted = (event: string, properties: Record<string, unknown>): TailEvent => ({
  uuid: "u", outcome: "accepted", reason: "", received_at: "", lane: "main", event, distinct_id: "eve", properties,
});
const kSdk = { distinct_id: "eve", token: "phc_x", $lib: "web", $current_url: "https://shop.example/cart", title: "Shop" };

describe("the line of an event in a list", () => {
  it("leaves out what every event of an SDK carries", () => {
    expect(event_preview(accepted("checkout failed", { ...kSdk, amount: 49, coupon: null, cart: { n: 1 } }))).toBe('amount: 49  ·  cart: {"n":1}');
  });

  it("tells what the SDK sent by itself in its words", () => {
    expect(event_preview(accepted("$pageview", kSdk))).toBe("shop.example/cart");
    expect(event_preview(accepted("$autocapture", { ...kSdk, $event_type: "click", $el_text: "Buy now" }))).toBe("click “Buy now”  ·  shop.example/cart");
    expect(event_preview(accepted("$identify", { token: "t", $lib: "posthog-node" }))).toBe("posthog-node");
    expect(event_preview(accepted("$pageview", { ...kSdk, plan: "pro" }))).toBe("shop.example/cart  ·  plan: pro");
  });

  it("an own event without properties of its own says where it was", () => {
    expect(event_preview(accepted("signed up", kSdk))).toBe("shop.example/cart");
    expect(event_preview(accepted("signed up", {}))).toBe("");
  });

  it("an event without a row says why", () => {
    expect(event_preview({ ...accepted("x", kSdk), outcome: "dropped", reason: "missing_distinct_id" })).toBe("missing distinct id");
    expect(event_preview({ ...accepted("x", kSdk), outcome: "duplicate" })).toBe("another copy of u");
  });
});
