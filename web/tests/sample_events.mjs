// Events as a product sends them, for the screenshots and where a test wants more than one kind.
import { randomUUID } from "node:crypto";

const kNames = [
  ...Array(9).fill("$pageview"),
  ...Array(5).fill("$autocapture"),
  "signed up",
  "plan upgraded",
  "search performed",
  "checkout completed",
];

// The same picture every time: a small generator with a fixed seed.
let state = 20_260_801;
function random(below) {
  state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
  return Math.floor((state / 2_147_483_648) * below);
}
const one_of = (list) => list[random(list.length)];

function properties_of(event) {
  const page = one_of(["", "pricing", "docs", "settings/billing"]);
  const common = {
    $current_url: `https://app.example.com/${page}`,
    $browser: one_of(["Chrome", "Chrome", "Firefox", "Safari"]),
    $lib: "web",
  };
  if (event === "search performed") {
    return { ...common, query: one_of(["events", "sdk", "billing"]), results: random(40) };
  }
  if (event === "checkout completed") {
    const cart = { items: [{ sku: "A-1", quantity: 2 }, { sku: "B-7", quantity: 1 }], coupon: null };
    return { ...common, amount: one_of([19, 49, 99]), currency: "EUR", cart };
  }
  if (event === "plan upgraded") return { ...common, from: "free", to: one_of(["team", "scale"]) };
  return common;
}

const kMinutes = 55;

/** Some minute of the last hour; traffic comes in waves. */
function some_time() {
  for (;;) {
    const minute = random(kMinutes);
    if (random(100) < 55 + 40 * Math.sin(minute / 6)) {
      return new Date(Date.now() - minute * 60_000 - random(60_000)).toISOString();
    }
  }
}

export function sample_events(count) {
  return Array.from({ length: count }, () => {
    const event = one_of(kNames);
    return {
      event,
      distinct_id: `user-${1 + random(60)}`,
      uuid: randomUUID(),
      timestamp: some_time(),
      properties: properties_of(event),
    };
  });
}

/** An event that a rule turns away: it says two things that cannot both be true. */
export function contradicting_event() {
  return {
    event: "$identify",
    distinct_id: "someone",
    uuid: randomUUID(),
    properties: { $process_person_profile: false, $anon_distinct_id: "before" },
  };
}
