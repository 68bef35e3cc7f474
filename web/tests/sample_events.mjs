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

/** Somebody who came as a stranger on two devices, and is known by now. */
export function person_story() {
  const at = (minutes) => new Date(Date.now() - minutes * 60_000).toISOString();
  const web = { $lib: "web", $browser: "Firefox", $os: "Linux", $current_url: "https://app.example.com/pricing?plan=scale" };
  const [laptop, phone] = [randomUUID(), randomUUID()];
  const set = { email: "ada@example.com", name: "Ada Lovelace", plan: "scale", seats: 25, trial_ends_at: "2026-12-24",
    $geoip_country_name: "United Kingdom", newsletter: true, address: { city: "London", street: ["St James's Square"] } };
  const event = (minutes, name, distinct_id, properties = {}) =>
    ({ event: name, distinct_id, timestamp: at(minutes), properties: { ...web, ...properties } });
  return [
    event(4300, "$pageview", laptop), event(4298, "$pageview", laptop),
    event(1500, "$pageview", phone, { $browser: "Mobile Safari", $os: "iOS" }),
    event(4297, "$identify", "ada@example.com", { $anon_distinct_id: laptop, $set: set }),
    event(1490, "$identify", "ada@example.com", { $anon_distinct_id: phone }),
    event(60, "$groupidentify", "ada@example.com", { $group_type: "company", $group_key: "Analytical Engines",
      $group_set: { name: "Analytical Engines Ltd", plan: "scale", seats: 25, founded: "1834-11-01" } }),
    ...Array.from({ length: 30 }, (_, i) => event(40 - i, one_of(kNames), "ada@example.com",
      { $groups: { company: "Analytical Engines", team: "research" } })),
  ];
}
