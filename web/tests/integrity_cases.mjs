// Ledger, quarantine and the way of events: from a number to its events, repair, drive again, discard.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

export const integrity_cases = [];
const test = (name, run) => integrity_cases.push({ name: `integrity: ${name}`, run });

const kNobody = "phc_nobodyHasThisTokenInTheBrowserTests000000001";

const open = async ({ page, instance }, path, title) => {
  await page.goto(instance.admin_url + path);
  await page.getByRole("heading", { level: 1, name: title }).waitFor();
};

test("a number of the ledger opens its events, and they lead to their trace", async (t) => {
  const { page, instance } = t;
  const uuid = randomUUID();
  const strange = { event: "$identify", uuid, distinct_id: "somebody", properties: { $process_person_profile: false } };
  await instance.send([strange]);
  await open(t, "/ledger", "Ledger");
  await page.getByTestId("ledger-verdict").filter({ hasText: "The books balance." }).waitFor();
  const number = page.getByRole("button", { name: /^1 dropped: invalid event when process person profile is false, / }).first();
  await number.waitFor({ timeout: 30_000 });
  await number.click();
  const drawer = page.getByTestId("cell-events");
  await drawer.getByText(uuid).waitFor();
  await drawer.getByRole("link", { name: uuid }).click();
  await page.getByRole("heading", { level: 1, name: "Trace" }).waitFor();
  await page.getByTestId("trace-verdict").filter({ hasText: "Dropped by a rule" }).waitFor();
  await page.goBack();
  await page.getByTestId("ledger-sum").waitFor();
  const bars = page.getByRole("group", { name: "Received over time" }).getByRole("button");
  assert.equal(await bars.count(), 120);
  const some = bars.and(page.locator("[title*=' dropped']")).last();
  await some.click();
  assert.equal(await some.getAttribute("aria-pressed"), "true");
  await page.getByRole("region", { name: "Ledger table" }).getByRole("row").nth(1).waitFor();
  await page.getByRole("button", { name: "Show all" }).click();
});

test("the ledger of no project shows what came under keys that are nobody's", async (t) => {
  const { page, instance } = t;
  const uuid = randomUUID();
  await instance.send([{ event: "nobody's", uuid, distinct_id: "stranger" }], kNobody);
  await open(t, "/ledger", "Ledger");
  const line = page.getByTestId("ledger-strangers").filter({ hasText: "under keys that no project had" });
  await line.getByRole("button", { name: "Show them" }).click({ timeout: 30_000 });
  await page.getByRole("heading", { level: 1, name: "Ledger of no project" }).waitFor();
  await page.getByRole("button", { name: /^\d+ quarantined, / }).first().click({ timeout: 30_000 });
  await page.getByTestId("cell-events").getByText(uuid).waitFor();
  await page.keyboard.press("Escape");
  await page.getByTestId("ledger-strangers").getByRole("button", { name: /^Back to / }).click();
  await page.getByRole("heading", { level: 1, name: "Ledger", exact: true }).waitFor();
});

test("a trace shows every hop with its place, and a request's id leads to its events", async (t) => {
  const { page, instance } = t;
  const uuids = [randomUUID(), randomUUID()];
  await instance.send(uuids.map((uuid) => ({ event: "sent together", uuid, distinct_id: "traveller" })));
  await open(t, `/trace/${uuids[0]}`, "Trace");
  await page.getByTestId("trace-verdict").filter({ hasText: "Stored" }).waitFor({ timeout: 30_000 });
  await page.getByText(/^events_plugin_ingestion, partition \d, offset /).waitFor();
  await page.getByText(/^processed, partition \d, offset /).waitFor();
  await page.getByText("Given to a person").waitFor();
  await page.getByRole("button", { name: "Where in the engine?" }).click();
  await page.getByTestId("trace-part").filter({ hasText: /part \S+, row \d/ }).waitFor({ timeout: 30_000 });
  await page.getByRole("link", { name: "All of its request" }).click();
  const found = page.getByTestId("trace-request");
  for (const uuid of uuids) await found.getByText(uuid).waitFor();
});

test("quarantine: an event is found, repaired, tried, driven again and becomes a row", async (t) => {
  const { page, instance } = t;
  const uuid = randomUUID();
  await instance.send([{ event: "astray", uuid, distinct_id: "lost one", properties: { colour: "teal" } }], kNobody);
  await instance.send([{ event: "astray too", distinct_id: "lost two" }, { event: "astray three", distinct_id: "lost three" }], kNobody);
  await open(t, "/quarantine", "Quarantine");
  const list = page.getByRole("region", { name: "Events in quarantine" });
  await list.getByText("astray three").waitFor({ timeout: 20_000 });
  await page.getByRole("textbox", { name: "Search in quarantine" }).fill("teal");
  await list.getByText("astray too").waitFor({ state: "detached" });
  await list.getByText("lost one").click();
  const entry = page.getByTestId("quarantine-entry");
  const text = entry.getByRole("textbox", { name: "The event's text" });
  const event = JSON.parse(await text.inputValue());
  assert.equal(event.properties.colour, "teal");
  await entry.getByRole("button", { name: "Try it" }).click();
  await page.getByTestId("trial").filter({ hasText: "quarantined" }).waitFor();
  await text.fill("{ not json");
  await entry.getByRole("alert").waitFor();
  assert.ok(await entry.getByRole("button", { name: "Try it" }).isDisabled());
  await text.fill(JSON.stringify({ ...event, token: instance.token, properties: { colour: "green" } }));
  await entry.getByRole("button", { name: "Try it" }).click();
  await page.getByTestId("trial").filter({ hasText: "accepted" }).waitFor();
  assert.ok(await entry.getByRole("button", { name: "Drive it again" }).isDisabled(), "the edit comes first");
  await entry.getByRole("button", { name: "Save the edit" }).click();
  await entry.getByText(/^edited by /).waitFor({ timeout: 20_000 });
  await entry.getByRole("button", { name: "Drive it again" }).click();
  await page.getByTestId("redrive-ended").filter({ hasText: "1 chosen event" }).waitFor({ timeout: 30_000 });
  await open(t, `/trace/${uuid}`, "Trace");
  await page.getByText("Left quarantine and was received again").waitFor();
  await page.getByTestId("trace-verdict").filter({ hasText: "Stored" }).waitFor({ timeout: 30_000 });
});

test("quarantine: a selection is driven with a bar, stopped, and the rest is discarded", async (t) => {
  const { page, instance } = t;
  const lost = Array.from({ length: 60 }, (_, i) => ({ event: "in a crowd", distinct_id: `c${i}` }));
  await instance.send(lost, kNobody);
  await open(t, "/quarantine", "Quarantine");
  await page.getByRole("textbox", { name: "Search in quarantine" }).fill("in a crowd");
  await page.getByText("60 found").waitFor({ timeout: 20_000 });
  await page.getByRole("textbox", { name: "Events a second" }).fill("5");
  await page.getByRole("button", { name: "Drive all again" }).click();
  const bar = page.getByRole("progressbar", { name: /Re-drive of / });
  await bar.waitFor();
  await page.getByRole("button", { name: "Stop" }).click();
  await page.getByTestId("redrive-ended").filter({ hasText: "Stopped driving" }).waitFor({ timeout: 20_000 });
  // What was on its way when it was stopped comes back to quarantine, its key still being nobody's.
  const empty = page.getByTestId("quarantine-empty");
  const discard = page.getByRole("button", { name: "Discard…" });
  for (let tries = 0; tries < 4; tries++) {
    await page.waitForFunction(async () => (await (await fetch("/api/status")).json()).ledger.totals.in_flight === 0);
    await open(t, "/quarantine", "Quarantine");
    await empty.or(discard).first().waitFor();
    if (await empty.isVisible()) break;
    const before = await page.evaluate(async () => (await (await fetch("/api/status")).json()).quarantine.entries);
    await discard.click();
    await page.getByRole("button", { name: /^Delete .* for good$/ }).click();
    await page.waitForFunction(async (n) => (await (await fetch("/api/status")).json()).quarantine.entries < n, before);
  }
  await empty.waitFor({ timeout: 30_000 });
  const totals = await page.evaluate(async () => (await (await fetch("/api/status")).json()).ledger);
  assert.equal(totals.balance.balanced, true);
  assert.ok(totals.totals.dropped.discarded_by_operator >= 60);
});
