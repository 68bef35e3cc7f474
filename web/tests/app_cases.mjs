// Apps: the catalogue, a configuration from its schema, a trial with its difference, the order, the switch.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const app_cases = [];
const test = (name, run) => app_cases.push({ name: `apps: ${name}`, run });

const open = async ({ page, instance }) => {
  await page.goto(`${instance.admin_url}/apps`);
  await page.getByRole("heading", { level: 1, name: "Apps" }).waitFor();
};
const row = (page, name) => page.getByRole("list", { name: "Apps in their order" }).getByRole("listitem").filter({ hasText: name });

test("an app is added from the catalogue, configured, tried and switched on", async (t) => {
  const { page, instance } = t;
  await open(t);
  await page.getByTestId("no-apps").waitFor();
  await page.getByRole("button", { name: "Add URL Parser" }).click();
  const app = row(page, "URL Parser");
  await app.getByRole("button", { name: "URL Parser in detail" }).click();
  await app.getByRole("textbox", { name: "Query parameters to keep" }).fill("ref");
  await app.getByRole("button", { name: "Save configuration" }).click();
  await app.getByText("Saved.").waitFor();
  await app.getByRole("tab", { name: "Test" }).click();
  await app.getByRole("textbox", { name: "Event" }).fill(
    JSON.stringify({ event: "$pageview", properties: { $current_url: "https://shop.example/cart?ref=mail" } }));
  await app.getByRole("button", { name: "Run the app on it" }).click();
  const diff = app.getByTestId("app-diff");
  await diff.getByText('"shop.example"').waitFor();
  await diff.getByText('"mail"').waitFor();
  await app.getByRole("switch", { name: "URL Parser is on" }).click({ force: true });
  await app.getByText("healthy").waitFor({ timeout: 20_000 });
  const uuid = crypto.randomUUID();
  await instance.send([{ event: "$pageview", uuid, distinct_id: "ada", properties: { $current_url: "https://shop.example/cart?ref=post" } }]);
  await page.goto(`${instance.admin_url}/trace/${uuid}`);
  await page.getByText(/URL Parser succeeded/).waitFor({ timeout: 30_000 });
});

test("the order is changed with the keyboard and stays", async (t) => {
  const { page } = t;
  await open(t);
  await page.getByRole("button", { name: "Add Timestamp Parser" }).click();
  await row(page, "Timestamp Parser").waitFor();
  const names = () => page.getByRole("list", { name: "Apps in their order" }).getByRole("heading", { level: 2 }).allTextContents();
  assert.deepEqual(await names(), ["URL Parser", "Timestamp Parser"]);
  await page.getByRole("button", { name: /Move Timestamp Parser/ }).press("ArrowUp");
  await page.waitForFunction(() => document.querySelector("ol h2")?.textContent === "Timestamp Parser");
  await page.reload();
  await row(page, "Timestamp Parser").waitFor();
  assert.deepEqual(await names(), ["Timestamp Parser", "URL Parser"]);
});

test("code is edited, tried before it is published, and a version can be gone back to", async (t) => {
  const { page } = t;
  await open(t);
  const app = row(page, "Timestamp Parser");
  await app.getByRole("button", { name: "Timestamp Parser in detail" }).click();
  await app.getByRole("tab", { name: "Code" }).click();
  const code = app.getByRole("textbox", { name: "Code of index.js" });
  await code.fill("export function processEvent(event) { event.properties.edited = true; return event }");
  await app.getByRole("button", { name: "Run the app on it" }).click();
  await app.getByTestId("app-diff").getByText("edited").waitFor();
  await app.getByRole("button", { name: "Publish as version 2" }).click();
  await app.getByRole("button", { name: "Publish as version 3" }).waitFor();
});

test("an editor completes from the types, says what a name means, and where a mistake is", async (t) => {
  const { page } = t;
  await open(t);
  const app = row(page, "Timestamp Parser");
  await app.getByRole("button", { name: "Timestamp Parser in detail" }).click();
  await app.getByRole("tab", { name: "Code" }).click();
  const code = app.getByRole("textbox", { name: "Code of index.js" });
  await code.fill("export async function processEvent(event, { storage }) {\n  storage");
  await code.press("End");
  await code.pressSequentially(".");
  const list = page.locator(".cm-tooltip-autocomplete");
  // The language service starts with the editor: its first answer takes a moment.
  await list.getByText("get", { exact: true }).waitFor({ timeout: 60_000 });
  assert.deepEqual(await list.locator(".cm-completionLabel").allTextContents(), ["del", "get", "set"]);
  await code.fill("export function processEvent(event, meta) {\n  return meta.geoip && event\n}\n");
  const { x, y } = await page.locator(".cm-line").filter({ hasText: "geoip" }).evaluate((line) => {
    const words = document.createTreeWalker(line, NodeFilter.SHOW_TEXT);
    for (let text = words.nextNode(); text; text = words.nextNode()) {
      const at = text.data.indexOf("geoip");
      if (at < 0) continue;
      const range = document.createRange();
      range.setStart(text, at);
      range.setEnd(text, at + 5);
      return range.getBoundingClientRect();
    }
    throw new Error("no such word");
  });
  await page.mouse.move(x + 4, y + 4);
  await page.mouse.move(x + 8, y + 6);
  await page.locator(".cm-meaning").getByText("GeoIPExtension").waitFor({ timeout: 30_000 });
  // Of the types, and of the server.
  await code.fill("export function processEvent(event) {\n  event.propertees = {}\n  return event\n}\n");
  await page.locator(".cm-lintRange-error").getByText("propertees").waitFor({ timeout: 30_000 });
  await code.fill("export function processEvent(event) {\n  return event event\n}\n");
  await app.getByRole("list", { name: "Mistakes" }).getByText(/index.js:2/).waitFor({ timeout: 30_000 });
  await code.fill("export function processEvent(event) {\n  return event\n}\n");
  await app.getByRole("list", { name: "Mistakes" }).waitFor({ state: "detached", timeout: 30_000 });
  assert.equal(await page.locator(".cm-lintRange-error").count(), 0);
});

test("Hog that cannot be compiled is not published, and a template's mistake is told at its field", async (t) => {
  const { page } = t;
  await open(t);
  await page.getByRole("button", { name: "Add URL parameter masking" }).click();
  const app = row(page, "URL parameter masking");
  await app.getByRole("button", { name: "URL parameter masking in detail" }).click();
  await app.getByRole("tab", { name: "Code" }).click();
  const code = app.getByRole("textbox", { name: "Code of index.hog" });
  await code.fill("let a := 1\nreturn (event");
  await app.getByRole("list", { name: "Mistakes" }).getByText(/index.hog:2/).waitFor({ timeout: 30_000 });
  await app.getByRole("button", { name: "Publish as version 2" }).click();
  await app.getByRole("alert").waitFor();
  await app.getByRole("button", { name: "Undo the edits" }).click();
  await app.getByRole("tab", { name: "Configuration" }).click();
  const field = app.getByRole("textbox").first();
  await field.fill("{event. }");
  await app.getByRole("button", { name: "Save configuration" }).click();
  await app.getByText(/line 1, column/).waitFor();
  assert.equal(await app.getByRole("alert").count(), 0, "it is told at the field");
});

test("filters are edited with what matches them, and are there after a reload", async (t) => {
  const { page, instance } = t;
  await instance.send([
    ...Array.from({ length: 3 }, () => ({ event: "filtered order", distinct_id: "f", properties: { plan: "pro", amount: 20 } })),
    { event: "filtered order", distinct_id: "f", properties: { plan: "free", amount: 1 } },
  ]);
  await open(t);
  const app = row(page, "URL Parser");
  await app.getByRole("button", { name: "URL Parser in detail" }).click();
  await app.getByRole("tab", { name: "Filters" }).click();
  const matches = app.getByTestId("filter-matches");
  const matched = async (count) => matches.locator("b").filter({ hasText: new RegExp(`^${count}$`) }).waitFor({ timeout: 30_000 });
  await app.getByRole("button", { name: "Add an event" }).click();
  const event = app.getByRole("group", { name: "Event 1" });
  await event.locator('input[aria-label="Event"]').fill("filtered order");
  await matched(4);
  await app.getByRole("button", { name: "Add a condition" }).click();
  const condition = app.getByRole("listitem", { name: "Condition 1" });
  await condition.locator('input[aria-label="Property"]').fill("plan");
  await condition.locator('input[aria-label="Values"]').fill("pro");
  await condition.locator('input[aria-label="Values"]').press("Enter");
  await matched(3);
  await app.getByRole("button", { name: "Save filters" }).click();
  await app.getByText("Saved. They apply to the next events.").waitFor();
  await page.reload();
  await app.getByRole("button", { name: "URL Parser in detail" }).click();
  await app.getByRole("tab", { name: "Filters" }).click();
  await condition.getByText("pro", { exact: true }).waitFor();
  await matched(3);
  await condition.getByRole("button", { name: "Remove condition 1" }).click();
  await event.getByRole("button", { name: "Remove event 1" }).click();
  await app.getByRole("button", { name: "Save filters" }).click();
  await app.getByText("Saved. Every event goes through it.").waitFor();
});

/** An app as npm packs one. */
const packed = (files) => {
  const folder = mkdtempSync(join(tmpdir(), "penstock-app-"));
  try {
    mkdirSync(join(folder, "package"));
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, "package", name), text);
    execFileSync("tar", ["-czf", "app.tgz", "package"], { cwd: folder });
    return { name: "app.tgz", mimeType: "application/gzip", buffer: readFileSync(join(folder, "app.tgz")) };
  } finally {
    rmSync(folder, { recursive: true });
  }
};

const archive_of = (version) => packed({
  "plugin.json": JSON.stringify({ name: "From A Friend", main: "index.js" }),
  "index.js": `export const processEvent = (e) => ({ ...e, version: ${version} })\n`,
});

test("an archive is installed, a second one is the next version, and rubbish is told", async (t) => {
  const { page } = t;
  await open(t);
  const section = page.getByRole("region", { name: "Install" });
  const file = section.locator('input[type="file"]');
  await file.setInputFiles(archive_of(1));
  await section.getByText("From A Friend is here, switched off.").waitFor();
  await row(page, "From A Friend").waitFor();
  await file.setInputFiles(archive_of(2));
  await section.getByText("From A Friend is here: version 2 is in use.").waitFor();
  assert.equal(await row(page, "From A Friend").count(), 1);
  await file.setInputFiles({ name: "app.zip", mimeType: "application/zip", buffer: Buffer.from("no archive at all") });
  await section.getByRole("alert").waitFor();
});

test("past events are handed to an app that exports, with a bar", async (t) => {
  const { page, instance } = t;
  await instance.send(Array.from({ length: 3 }, () => ({ event: "of the past", distinct_id: "p" })));
  await open(t);
  const file = page.getByRole("region", { name: "Install" }).locator('input[type="file"]');
  await file.setInputFiles(packed({ "package.json": JSON.stringify({ name: "exporter" }),
    "index.ts": "export const exportEvents = async (events: { event: string }[]) => console.log(events.length)\n" }));
  const app = row(page, "exporter");
  await app.getByRole("switch", { name: "exporter is on" }).click({ force: true });
  await app.getByText("healthy").waitFor({ timeout: 20_000 });
  await app.getByRole("button", { name: "exporter in detail" }).click();
  await app.getByRole("tab", { name: "Past events" }).click();
  await app.getByLabel("From").fill("2020-01-01");
  await app.getByRole("button", { name: "Export", exact: true }).click();
  const told = app.getByTestId("app-export");
  await told.getByText(/Done: 100 %/).waitFor({ timeout: 60_000 });
  assert.match(await told.textContent(), /[1-9][0-9]* events exported/);
});

test("a public job is started with what its form asks for", async (t) => {
  const { page } = t;
  await open(t);
  const file = page.getByRole("region", { name: "Install" }).locator('input[type="file"]');
  await file.setInputFiles(packed({
    "plugin.json": JSON.stringify({ name: "contacts", main: "index.js", publicJobs: {
      "Import contacts": { payload: {
        since: { title: "First day", type: "date", required: true },
        pages: { title: "Pages at most", type: "number", default: 3 },
        days: { title: "Only of these days", type: "daterange" },
        archived: { title: "Archived ones too", type: "boolean" },
        filter: { title: "Filter", type: "json" },
      } },
      "Forget all contacts": {},
    } }),
    "index.js": "export const jobs = { 'Import contacts': (payload) => console.log('imports', payload), 'Forget all contacts': () => { throw new Error('not mine') } }\n",
  }));
  const app = row(page, "contacts");
  await app.getByRole("switch", { name: "contacts is on" }).click({ force: true });
  await app.getByText("healthy").waitFor({ timeout: 20_000 });
  await app.getByRole("button", { name: "contacts in detail" }).click();
  await app.getByRole("tab", { name: "Jobs" }).click();
  const form = app.getByRole("form", { name: "Import contacts" });
  await form.getByRole("button", { name: "Start" }).click();
  await form.getByText("It needs a value.").waitFor();
  await form.getByLabel("First day", { exact: false }).first().fill("2024-01-31");
  await form.getByRole("textbox", { name: "Filter" }).fill('{"plan":"pro"}');
  await form.getByRole("switch", { name: "Archived ones too" }).click({ force: true });
  await form.getByRole("button", { name: "Start" }).click();
  await form.getByText("Started.").waitFor();
  await app.getByRole("form", { name: "Forget all contacts" }).getByRole("button", { name: "Start" }).click();
  await app.getByText(/1 went well, 1 failed/).waitFor({ timeout: 20_000 });
  await app.getByRole("tab", { name: "Logs" }).click();
  await app.getByText('imports {"since":"2024-01-31","pages":3,"archived":true,"filter":"{\\"plan\\":\\"pro\\"}"}').waitFor({ timeout: 20_000 });
});

test("a Hog app's numbers and dictionaries are saved as what they are", async (t) => {
  const { page } = t;
  await open(t);
  const file = page.getByRole("region", { name: "Install" }).locator('input[type="file"]');
  await file.setInputFiles(packed({
    "plugin.json": JSON.stringify({ name: "labels", inputs_schema: [{ key: "share", type: "number", label: "Share" },
      { key: "labels", type: "dictionary", label: "Labels", default: { from: "{event.event}" } }] }),
    "index.hog": "let e := event for (let key, value in inputs.labels) { e.properties[key] := value } e.properties.share := inputs.share + 1 return e\n",
  }));
  const app = row(page, "labels");
  await app.getByRole("button", { name: "labels in detail" }).click();
  await app.getByRole("textbox", { name: "Share" }).fill("many");
  await app.getByRole("button", { name: "Save configuration" }).click();
  await app.getByText("'share' is a number").waitFor();
  await app.getByRole("textbox", { name: "Share" }).fill("1.5");
  await app.getByRole("textbox", { name: "Labels" }).fill('{"who": "{event.distinct_id}"}');
  await app.getByRole("button", { name: "Save configuration" }).click();
  await app.getByText("Saved.").waitFor();
  await app.getByRole("tab", { name: "Test" }).click();
  await app.getByRole("textbox", { name: "Event" }).fill(JSON.stringify({ event: "seen", distinct_id: "ada", properties: {} }));
  await app.getByRole("button", { name: "Run the app on it" }).click();
  const diff = app.getByTestId("app-diff");
  await diff.getByText('"ada"').waitFor();
  await diff.getByText("2.5").waitFor();
});
