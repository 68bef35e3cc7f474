// The tests, in the order a person would meet the pages. Each gets the same page and instance.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";

import { app_cases } from "./app_cases.mjs";
import { definition_cases } from "./definition_cases.mjs";
import { group_cases } from "./group_cases.mjs";
import { integrity_cases } from "./integrity_cases.mjs";
import { look_cases } from "./look_cases.mjs";
import { person_cases } from "./person_cases.mjs";
import { recording_cases } from "./recording_cases.mjs";
import { contradicting_event, sample_events } from "./sample_events.mjs";

const run_file = promisify(execFile);
const kPages = ["Live", "Events", "Persons", "Groups", "Replay", "Trace", "Definitions", "Apps", "Flags", "Ledger", "Quarantine", "Health", "Warnings", "Settings"];
const kStrayToken = "phc_strayTokenOfAProjectThatComesLater0000001";
const kEmail = "admin@example.com";
const kPassword = "correct horse battery";

export const cases = [];
const test = (name, run) => cases.push({ name, run });

const link_to = (page, name) =>
  page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name }).filter({ visible: true });
const open = async (page, name) => {
  // A phone's bar has four pages and the others a tap further.
  const more = page.getByRole("button", { name: "More pages" });
  await link_to(page, name).or(more).first().waitFor();
  if ((await link_to(page, name).count()) > 0) await link_to(page, name).click();
  else {
    await more.click();
    await page.getByRole("menuitem", { name }).click();
  }
  await page.getByRole("heading", { level: 1, name }).waitFor();
};
const rows = (page) => page.getByTestId("tail-list").locator("button[data-index]");
const row_of = (page, text) => rows(page).filter({ hasText: text });
const number_of = async (page, id) =>
  Number((await page.getByTestId(id).innerText()).replaceAll(",", ""));
const read_count = async (page, n) =>
  page.getByTestId("tail-count").filter({ hasText: new RegExp(`^${n.toLocaleString("en-US")} events? read$`) }).waitFor();

async function type_sql(page, sql) {
  await page.getByRole("textbox", { name: "SQL query" }).focus();
  await page.keyboard.press("Control+a");
  await page.keyboard.insertText(sql);
}
async function run_sql(page, sql) {
  await type_sql(page, sql);
  await page.keyboard.press("Control+Enter");
}

test("without a session every page leads to the login", async ({ page, instance }) => {
  await page.goto(`${instance.admin_url}/health`);
  await page.getByRole("button", { name: "Log in" }).waitFor();
  assert.match(page.url(), /\/login$/);
});

test("a wrong link says so and how to get a new one", async ({ page, instance }) => {
  await page.goto(`${instance.admin_url}/login#secret=wrong`);
  await page.reload();
  await page.getByRole("alert").filter({ hasText: "penstock login" }).waitFor();
});

test("the printed one-time link logs in and leaves no secret in the address", async (t) => {
  await t.page.goto(t.instance.link);
  await t.page.reload();
  await t.page.getByTestId("first-run").waitFor();
  assert.equal(t.page.url(), `${t.instance.admin_url}/live`);
});

test("first run: the curl command works as it is shown, and its event appears", async (t) => {
  const curl = await t.page.getByTestId("snippet-curl").innerText();
  await run_file("bash", ["-c", curl.replace(/^curl /, "curl -sS ")]);
  await row_of(t.page, "signed up").waitFor();
});

test("first run: every SDK tab carries this project's key and address", async ({ page, instance }) => {
  await open(page, "Settings");
  for (const [tab, id] of [["Browser", "js"], ["Node", "node"], ["Python", "python"], ["Go", "go"]]) {
    await page.getByRole("tab", { name: tab }).click();
    const text = await page.getByTestId(`snippet-${id}`).innerText();
    assert.ok(text.includes(instance.token) && text.includes(instance.capture_url), tab);
  }
});

test("live: every one of 1,500 events is read, once", async ({ page, instance }) => {
  await open(page, "Live");
  await read_count(page, 1);
  for (let i = 0; i < 3; i++) await instance.send(sample_events(500));
  await read_count(page, 1_501);
});

test("live: pause holds the list still, counts what waits, and resume shows it", async (t) => {
  const { page, instance } = t;
  await page.getByRole("button", { name: "Pause" }).click();
  await instance.send(["one", "two", "three"].map((event) => ({ event, distinct_id: "p" })));
  await page.getByRole("button", { name: "Resume · 3 waiting" }).waitFor();
  assert.equal(await row_of(page, "three").count(), 0);
  await page.getByRole("button", { name: "Resume · 3 waiting" }).click();
  for (const event of ["one", "two", "three"]) await row_of(page, event).first().waitFor();
});

test("live: scrolled away, new events wait behind a button", async ({ page, instance }) => {
  // A scroll is told to the page with the next frame; an event may be faster than that.
  await page.getByTestId("tail-list").evaluate((list) => new Promise((seen) => {
    list.scrollTo({ top: 400 });
    requestAnimationFrame(() => requestAnimationFrame(seen));
  }));
  await instance.send([{ event: "while reading", distinct_id: "p" }]);
  await page.getByRole("button", { name: "1 newer event" }).click();
  await row_of(page, "while reading").waitFor();
});

test("live: filters by event, distinct_id and outcome", async ({ page, instance }) => {
  const only = async (n) => {
    await read_count(page, n);
    assert.equal(await rows(page).count(), n);
  };
  const filters = page.getByRole("search");
  await instance.send([{ event: "needle", distinct_id: "nadel" }, contradicting_event()]);
  await filters.getByLabel("Event name", { exact: true }).fill("needle");
  await only(1);
  await filters.getByRole("button", { name: "Clear Event name" }).click();
  await filters.getByLabel("distinct_id", { exact: true }).fill("nadel");
  await only(1);
  await filters.getByRole("button", { name: "Clear distinct_id" }).click();
  await filters.locator('input[aria-label="Outcome"]').click();
  await page.getByRole("option", { name: "Dropped" }).click();
  await only(1);
  await filters.locator('input[aria-label="Outcome"]').click();
  await page.getByRole("option", { name: "Every outcome" }).click();
});

test("live: the detail shows properties and the event's way; Escape closes it", async (t) => {
  const { page, instance } = t;
  t.uuid = randomUUID();
  const properties = { deep: { list: [1, "zwei"] }, flag: true };
  await instance.send([{ event: "look at me", distinct_id: "d-1", uuid: t.uuid, properties }]);
  await row_of(page, "look at me").click();
  const detail = page.getByTestId("event-detail");
  await detail.getByText("zwei").waitFor();
  await detail.getByText(t.uuid).first().waitFor();
  await detail.getByTestId("trace-verdict").filter({ hasText: "Stored" }).waitFor();
  await page.keyboard.press("Escape");
  await detail.waitFor({ state: "detached" });
});

test("live: goes on where it was when Penstock restarts", async ({ page, instance }) => {
  await page.getByTestId("tail-count").waitFor();
  const before = Number((await page.getByTestId("tail-count").innerText()).replace(/\D/g, ""));
  await instance.restart();
  await instance.send([{ event: "after the restart", distinct_id: "r" }]);
  await row_of(page, "after the restart").waitFor();
  await read_count(page, before + 1);
});

test("events: Ctrl-Enter runs the query, the table shows the rows", async ({ page }) => {
  await open(page, "Events");
  await run_sql(page, "SELECT event, distinct_id, uuid FROM events WHERE event = 'look at me'");
  await page.getByRole("table", { name: "Result" }).getByText("d-1").waitFor();
  assert.match(await page.getByTestId("result-stats").innerText(), /^1 row\s+[\d.]+ (µs|ms|s)/);
});

test("events: a large answer is one scrolling table", async ({ page }) => {
  await run_sql(page, "SELECT number, number * 2 AS twice FROM numbers(20000)");
  await page.getByTestId("result-stats").filter({ hasText: "20,000 rows" }).waitFor();
  await page.getByText("Table", { exact: true }).click();
  const table = page.getByRole("table", { name: "Result" });
  await table.evaluate((box) => box.scrollTo({ top: box.scrollHeight }));
  await table.getByText("39998").waitFor();
  assert.ok((await table.getByRole("row").count()) < 200);
});

test("events: the editor completes columns of this project's tables", async ({ page }) => {
  await type_sql(page, "SELECT  FROM events");
  await page.keyboard.press("Home");
  for (let i = 0; i < 7; i++) await page.keyboard.press("ArrowRight");
  await page.keyboard.type("distin");
  await page.locator(".cm-tooltip-autocomplete").getByText("distinct_id", { exact: true }).waitFor();
  await page.keyboard.press("Escape");
});

test("events: an error is shown as the engine says it, and goes away", async ({ page }) => {
  await run_sql(page, "SELECT nothing_like_this FROM events");
  await page.getByTestId("query-error").filter({ hasText: "nothing_like_this" }).waitFor();
  await run_sql(page, "SELECT 1 AS one");
  await page.getByTestId("query-error").waitFor({ state: "detached" });
});

test("events: a long query can be cancelled", async ({ page }) => {
  await run_sql(page, "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1");
  await page.getByRole("button", { name: /^Cancel/ }).click();
  await page.getByTestId("query-error").waitFor();
  await page.getByRole("button", { name: "Run", exact: true }).waitFor();
});

test("events: times become a line, names become bars, both can be switched", async ({ page }) => {
  const example = async (title) => {
    await page.getByRole("button", { name: "Examples" }).click();
    await page.getByRole("menuitem", { name: title }).click();
  };
  const chart = (kind) => page.locator(`[data-testid="result-chart"][data-kind="${kind}"]`);
  await example("Most frequent events");
  await chart("bar").getByText("$pageview").waitFor();
  await example("Events per minute, last hour");
  await chart("line").locator("svg path").first().waitFor();
  await page.getByText("Bar", { exact: true }).click();
  await chart("bar").locator("svg rect").first().waitFor();
  await page.getByText("Table", { exact: true }).click();
  await page.getByRole("columnheader", { name: "minute" }).waitFor();
});

test("events: the answer downloads as CSV and JSON; the history keeps the query", async ({ page }) => {
  await run_sql(page, "SELECT 'a,b' AS text, 7 AS n");
  await page.getByRole("table", { name: "Result" }).getByText("a,b").waitFor();
  const download = async (kind) => {
    await page.getByRole("button", { name: "Export" }).click();
    const [file] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("menuitem", { name: kind }).click(),
    ]);
    return readFile(await file.path(), "utf8");
  };
  assert.equal(await download("CSV"), 'text,n\r\n"a,b",7\r\n');
  assert.deepEqual(JSON.parse(await download("JSON")), [{ text: "a,b", n: 7 }]);
  await page.getByRole("button", { name: "History" }).click();
  await page.getByRole("menuitem", { name: "SELECT 'a,b' AS text, 7 AS n" }).waitFor();
  await page.keyboard.press("Escape");
});

test("health: balanced, and the picture adds up", async ({ page, instance }) => {
  const twice = sample_events(2);
  await instance.send(twice);
  await instance.send(twice);
  await open(page, "Health");
  await page.getByTestId("part-in_flight").filter({ hasText: /^0$/ }).waitFor();
  await page.getByTestId("part-deduplicated").filter({ hasText: /^2$/ }).waitFor();
  await page.getByTestId("balance").filter({ hasText: /^Balanced/ }).waitFor();
  const received = await number_of(page, "part-received");
  let sum = 0;
  for (const part of ["stored", "in_flight", "deduplicated", "dropped", "quarantined"]) {
    sum += await number_of(page, `part-${part}`);
  }
  assert.ok(received > 1_500);
  assert.equal(sum, received);
  await open(page, "Ledger");
  await page.getByRole("region", { name: "Ledger rows" }).getByText("main").first().waitFor();
  await open(page, "Health");
});

test("health: a stray token is a problem in words, until its project exists", async (t) => {
  const { page, instance } = t;
  await instance.send([{ event: "stray", distinct_id: "s" }], kStrayToken);
  await page.getByRole("alert").filter({ hasText: "1 event in quarantine" }).waitFor();
  await open(page, "Settings");
  await page.getByRole("button", { name: "New project" }).click();
  await page.getByRole("textbox", { name: "Name", exact: true }).fill("Second product");
  await page.getByRole("textbox", { name: "Token" }).fill(kStrayToken);
  await page.getByRole("button", { name: "Create project" }).click();
  await page.getByText(kStrayToken).waitFor();
  await page.getByRole("button", { name: "Choose a project" }).filter({ visible: true }).click();
  await page.getByRole("menuitem", { name: "Second product" }).click();
  await open(page, "Live");
  await row_of(page, "stray").first().waitFor();
  await page.getByRole("button", { name: "Choose a project" }).filter({ visible: true }).click();
  await page.getByRole("menuitem", { name: "Default project" }).click();
});

test("trace: any text with a uuid tells the event's story", async ({ page, uuid }) => {
  await open(page, "Trace");
  const box = page.getByRole("textbox", { name: "uuid of an event" });
  await box.fill("no uuid at all");
  await box.press("Enter");
  await page.getByText("There is no uuid in this text.").waitFor();
  await box.fill(`2026 INFO sent ${uuid.toUpperCase()}, ok`);
  await box.press("Enter");
  const trace = page.getByTestId("trace");
  await trace.getByTestId("trace-verdict").filter({ hasText: "Stored" }).waitFor();
  await trace.getByText("Received and made durable").waitFor();
  assert.ok(page.url().endsWith(`/trace/${uuid}`));
});

test("trace: an event that was never seen gets an answer too", async ({ page, instance }) => {
  await page.goto(`${instance.admin_url}/trace/${randomUUID()}`);
  await page.getByTestId("trace-verdict").filter({ hasText: "Never seen here" }).waitFor();
});

const flags_told = async (instance, distinct_id = "eve") => {
  const body = JSON.stringify({ token: instance.token, distinct_id });
  const answer = await fetch(`${instance.capture_url}/flags/?v=2`, { method: "POST", body });
  return (await answer.json()).flags;
};

test("flags: a new flag is told to SDKs with its variants, and switched off", async ({ page, instance }) => {
  await open(page, "Flags");
  await page.getByRole("heading", { name: "No flags yet" }).waitFor();
  await page.getByRole("button", { name: "New flag" }).click();
  const form = page.getByRole("dialog");
  await form.getByPlaceholder("new-checkout").fill("two words");
  await form.getByText("A key has letters").waitFor();
  await form.getByPlaceholder("new-checkout").fill("checkout");
  for (const [n, key] of [[1, "long"], [2, "short"]]) {
    await form.getByRole("button", { name: "Add a variant" }).click();
    await form.getByLabel(`Key of variant ${n}`).fill(key);
  }
  await form.getByLabel("Share of variant 1, percent").fill("99");
  await form.getByText("The variants add up to 99 %").waitFor();
  await form.getByLabel("Share of variant 1, percent").fill("100");
  await form.getByLabel("Payload of variant 1").fill('{"steps":3}');
  await form.getByRole("button", { name: "Create flag" }).click();
  const row = page.getByTestId("flag-checkout");
  await row.getByText("Everybody, 100 % · long 100 %, short 0 %").waitFor();
  await row.getByText("Decided here").waitFor();
  const told = (await flags_told(instance)).checkout;
  assert.equal(told.variant, "long");
  assert.deepEqual(JSON.parse(told.metadata.payload), { steps: 3 });
  await row.locator(".mantine-Switch-track").click();
  await row.getByText("Off for everybody").waitFor();
  assert.equal((await flags_told(instance)).checkout.reason.code, "flag_disabled");
});

test("flags: one with conditions says where it is decided, and is edited as JSON", async ({ page, instance }) => {
  const filters = { groups: [{ properties: [{ key: "plan", type: "person", value: "pro" }] }] };
  await page.evaluate(
    (body) => fetch("/api/projects/1/feature_flags", {
      method: "POST", headers: { "X-Penstock-Request": "1" }, body: JSON.stringify(body),
    }),
    { key: "asks", filters },
  );
  await page.reload();
  const row = page.getByTestId("flag-asks");
  await row.getByText("Local evaluation only").waitFor();
  assert.equal((await flags_told(instance)).asks.failed, true);
  await row.getByRole("button").click();
  const form = page.getByRole("dialog");
  await form.getByText("Its conditions ask for properties.").waitFor();
  const json = form.getByLabel("Conditions, variants and payloads");
  await json.fill('{"groups":[{"rollout_percentage":130}]}');
  await form.getByRole("button", { name: "Save flag" }).click();
  await form.getByRole("alert").filter({ hasText: "not a number from 0 to 100" }).waitFor();
  await json.fill('{"groups":[{"rollout_percentage":100}]}');
  await form.getByRole("button", { name: "Save flag" }).click();
  await row.getByText("Decided here").waitFor();
  await row.getByRole("button").click();
  await form.getByRole("button", { name: "Remove", exact: true }).click();
  await form.getByRole("button", { name: "Really remove" }).click();
  await row.waitFor({ state: "detached" });
  assert.deepEqual(Object.keys(await flags_told(instance)), ["checkout"]);
});

test("settings: what pages are told is switched here", async ({ page, instance }) => {
  const config = async () =>
    (await fetch(`${instance.capture_url}/array/${instance.token}/config`)).json();
  await open(page, "Settings");
  const section = page.getByRole("region", { name: "Browser SDK" });
  const save = section.getByRole("button", { name: "Save browser settings" });
  assert.ok(await save.isDisabled());
  await section.getByRole("switch", { name: "Heatmaps" }).click();
  await section.getByRole("switch", { name: "Autocapture" }).click();
  await section.getByRole("switch", { name: "Session recording" }).click();
  await section.getByLabel("Sample, percent").fill("25");
  await save.click();
  await section.getByText("Saved.").waitFor();
  const told = await config();
  assert.equal(told.heatmaps, true);
  assert.equal(told.autocapture_opt_out, true);
  assert.equal(told.sessionRecording.sampleRate, "0.25");
  await section.getByRole("button", { name: "Everything else, as JSON" }).click();
  const json = section.getByLabel("Remote config");
  await json.fill('{"heatmap":true}');
  await save.click();
  await section.getByRole("alert").filter({ hasText: "heatmap is not known to posthog-js" }).waitFor();
  await json.fill("{}");
  await save.click();
  await section.getByText("Saved.").waitFor();
  assert.equal((await config()).sessionRecording, false);
});

test("settings: a new key is shown once, works, and is revoked", async ({ page, instance }) => {
  await open(page, "Settings");
  await page.getByRole("button", { name: "New key" }).click();
  await page.getByRole("textbox", { name: "What is it for?" }).fill("a script");
  await page.getByRole("button", { name: "Create key" }).click();
  const key = await page.getByRole("dialog").locator("code").innerText();
  const me = () =>
    fetch(`${instance.admin_url}/api/me`, { headers: { Authorization: `Bearer ${key}` } });
  assert.equal((await me()).status, 200);
  await page.keyboard.press("Escape");
  const item = page.getByRole("listitem").filter({ hasText: "a script" });
  await item.getByRole("button", { name: "Revoke" }).click();
  await item.getByRole("button", { name: "Really revoke" }).click();
  await item.waitFor({ state: "detached" });
  assert.equal((await me()).status, 401);
});

test("warnings: an event that needs what is switched off says what to do", async ({ page, instance }) => {
  await instance.send([{ event: "$identify", distinct_id: "no-profile",
    properties: { $process_person_profile: false, $anon_distinct_id: "before" } }]);
  await open(page, "Warnings");
  const card = page.getByTestId("warning-invalid_event_when_process_person_profile_is_false");
  await card.getByText("Dropped", { exact: true }).waitFor();
  await card.getByRole("button", { name: "Show the latest" }).click();
  await card.getByRole("link", { name: "Trace" }).first().waitFor();
});

test("settings: a quota is set, shows its use, and what it drops is a warning", async (t) => {
  const { page, instance } = t;
  await open(page, "Settings");
  const intake = page.getByRole("region", { name: "Intake" });
  await intake.getByLabel("Survey responses").fill("1");
  await intake.getByRole("button", { name: "Save intake" }).click();
  await intake.getByRole("status").filter({ hasText: "Saved" }).waitFor();
  const uuid = randomUUID();
  await instance.send([{ event: "survey sent", distinct_id: "s" }, { event: "survey sent", distinct_id: "s", uuid }]);
  await intake.getByText("1 of 1, 1 refused").waitFor();
  await open(page, "Warnings");
  const card = page.getByTestId("warning-billing_limit_exceeded");
  await card.getByText("1 event", { exact: true }).waitFor();
  await card.getByRole("button", { name: "Show the latest" }).click();
  await card.getByRole("link", { name: "Trace" }).click();
  await page.getByTestId("trace-verdict").filter({ hasText: "Dropped" }).waitFor();
});

test("settings: a restriction is written; what the API refuses is said in words", async ({ page, instance }) => {
  await open(page, "Settings");
  const intake = page.getByRole("region", { name: "Intake" });
  await intake.getByRole("button", { name: "Add a restriction" }).click();
  const rule = intake.getByRole("listitem", { name: "Restriction 1" });
  await rule.getByLabel("Event names").fill("unwanted");
  await intake.getByLabel("Weight under pressure").fill("heavy");
  await intake.getByRole("button", { name: "Save intake" }).click();
  await intake.getByRole("alert").filter({ hasText: "weight" }).waitFor();
  await intake.getByLabel("Weight under pressure").fill("2");
  await intake.getByRole("button", { name: "Save intake" }).click();
  await intake.getByRole("status").filter({ hasText: "Saved" }).waitFor();
  await instance.send([{ event: "unwanted", distinct_id: "u" }]);
  await open(page, "Warnings");
  await page.getByTestId("warning-event_restriction_drop").waitFor({ timeout: 20_000 });
  await page.reload();
  await open(page, "Settings");
  await intake.getByRole("listitem", { name: "Restriction 1" }).getByText("unwanted").waitFor();
});

cases.push(...person_cases, ...group_cases, ...app_cases, ...definition_cases, ...recording_cases, ...integrity_cases, ...look_cases);

test("settings: dark and light can be chosen and are remembered", async ({ page }) => {
  const scheme = () => page.locator("html").getAttribute("data-mantine-color-scheme");
  await open(page, "Settings");
  const appearance = page.getByRole("region", { name: "Appearance" });
  await appearance.getByText("Dark", { exact: true }).click();
  assert.equal(await scheme(), "dark");
  await page.reload();
  await appearance.waitFor();
  assert.equal(await scheme(), "dark");
  await appearance.getByText("System", { exact: true }).click();
  assert.equal(await scheme(), "light");
});

test("keyboard: the first Tab offers to skip the navigation", async ({ page }) => {
  await page.reload();
  await page.getByRole("heading", { level: 1 }).waitFor();
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement?.id), "content");
});

test("390 px: the bottom bar leads everywhere and nothing is wider than the screen", async (t) => {
  const { page } = t;
  await page.setViewportSize({ width: 390, height: 844 });
  for (const name of kPages) {
    await open(page, name);
    await page.waitForLoadState("networkidle", { timeout: 500 }).catch(() => undefined);
    const wide = await page.evaluate(() => {
      const main = document.getElementById("content");
      return [document.documentElement, main]
        .filter((box) => box.scrollWidth > box.clientWidth)
        .map((box) => `${box.tagName} ${box.scrollWidth}`);
    });
    assert.deepEqual(wide, [], name);
  }
  await page.setViewportSize({ width: 1440, height: 900 });
});

test("logout ends the session; email and password begin a new one", async ({ page, instance }) => {
  await open(page, "Settings");
  await page.getByRole("textbox", { name: "Email" }).fill(kEmail);
  await page.locator('input[name="password"]').fill(kPassword);
  await page.getByRole("button", { name: "Save login" }).click();
  await page.getByText("Saved. The next login works with these.").waitFor();
  await page.getByRole("button", { name: "Account", exact: true }).filter({ visible: true }).click();
  await page.getByRole("menuitem", { name: "Log out" }).click();
  await page.getByRole("button", { name: "Log in" }).waitFor();
  await page.goto(`${instance.admin_url}/health`);
  await page.getByRole("textbox", { name: "Email" }).fill(kEmail);
  await page.locator('input[name="password"]').fill("wrong");
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByRole("alert").waitFor();
  await page.locator('input[name="password"]').fill(kPassword);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByRole("heading", { level: 1, name: "Health" }).waitFor();
});

test("no script error, no console error, no violation of the content policy", async (t) => {
  assert.deepEqual(t.complaints, []);
});
