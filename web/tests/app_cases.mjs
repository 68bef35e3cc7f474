// Apps: the catalogue, a configuration from its schema, a trial with its difference, the order, the switch.
import assert from "node:assert/strict";

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
