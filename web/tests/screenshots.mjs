// Every page, light and dark, wide and narrow, with data as a product has it.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";

import { Shop } from "./recorded_visit.mjs";
import { contradicting_event, person_story, sample_events } from "./sample_events.mjs";

const kWidths = [1440, 390];
const kSettleMs = 900;

async function fill(instance) {
  const first = sample_events(40);
  await instance.send(first);
  await instance.send(first.slice(0, 5));
  await instance.send([contradicting_event(), contradicting_event()]);
  // Another event under a uuid that is taken: quarantine has something to show.
  await instance.send([{ ...first[0], event: "checkout failed", properties: { step: "payment" } }]);
  for (let i = 0; i < 12; i++) {
    await instance.send(sample_events(20 + ((i * 37) % 50)));
    await new Promise((done) => setTimeout(done, 400));
  }
  await instance.send(person_story());
  return first[0].uuid;
}

/** Flags and a config as a shop would have them. */
async function configure(page) {
  await page.evaluate(async () => {
    const headers = { "X-Penstock-Request": "1" };
    const send = (path, method, body) =>
      fetch(`/api/projects/1/${path}`, { method, headers, body: JSON.stringify(body) });
    const variants = [["control", 50], ["short", 25], ["one-page", 25]].map(([key, share]) => ({
      key, rollout_percentage: share,
    }));
    for (const flag of [
      { key: "new-checkout", name: "The checkout of autumn", filters: {
        groups: [{ rollout_percentage: 40 }], multivariate: { variants },
        payloads: { short: '{"steps":2}' } } },
      { key: "dark-mode", name: "", filters: { groups: [{ rollout_percentage: 100 }] } },
      { key: "pro-reports", name: "For those who pay", filters: {
        groups: [{ properties: [{ key: "plan", type: "person", value: "pro" }] }] } },
      { key: "old-banner", active: false, filters: { groups: [{ rollout_percentage: 10 }] } },
    ]) await send("feature_flags", "POST", flag);
    await send("settings/remote_config", "PUT", {
      heatmaps: true, sessionRecording: { sampleRate: "0.25", consoleLogRecordingEnabled: true },
    });
  });
}

export async function take_screenshots(browser, instance, folder) {
  await mkdir(folder, { recursive: true });
  const uuid = await fill(instance);
  const link = await instance.command("login");
  const entry = await browser.newContext();
  const door = await entry.newPage();
  const shoot = (page, name) => page.screenshot({ path: join(folder, `${name}.png`) });
  await door.goto(link);
  await door.getByRole("heading", { level: 1, name: "Live" }).waitFor();
  await door.goto(`${instance.admin_url}/replay`);
  await door.waitForTimeout(kSettleMs);
  await shoot(door, "replay-empty-light-1280");
  await door.getByRole("button", { name: "Switch recording on" }).click();
  const shop = await Shop.open();
  const session = await shop.visit(browser, instance, "eve@example.com", 9_000);
  for (const who of ["carl@example.com", "user-38"]) await shop.visit(browser, instance, who);
  await door.getByTestId(`recording-${session}`).waitFor({ timeout: 30_000 });
  await configure(door);
  await door.goto(`${instance.admin_url}/persons/of?distinct_id=ada%40example.com`);
  await door.getByTestId("person-figures").waitFor();
  const ada = new URL(door.url()).pathname;
  const storageState = await entry.storageState();
  const pages = [["live", "/live"], ["events", "/events"],
    ["persons", "/persons"], ["persons-search", "/persons?search=ada&properties=%5B%7B%22key%22%3A%22plan%22%2C%22operator%22%3A%22is_set%22%7D%5D"],
    ["person", ada], ["person-ids", `${ada}?tab=ids`], ["person-events", `${ada}?tab=events`],
    ["person-groups", `${ada}?tab=groups`], ["person-history", `${ada}?tab=history`],
    ["person-nobody", "/persons/of?distinct_id=nobody"],
    ["definitions", "/definitions"], ["properties", "/definitions?view=event"], ["properties-person", "/definitions?view=person"],
    ["groups", "/groups"], ["group", `/groups/0/of?key=${encodeURIComponent("Analytical Engines")}`],
    ["group-persons", `/groups/0/of?key=${encodeURIComponent("Analytical Engines")}&tab=persons`],
    ["replay", "/replay"], ["recording", `/replay/${session}`], ["apps", "/apps"], ["flags", "/flags"],
    ["health", "/health"], ["ledger", "/ledger"], ["quarantine", "/quarantine"], ["trace", `/trace/${uuid}`], ["warnings", "/warnings"],
    ["settings", "/settings"]];
  for (const colorScheme of ["light", "dark"]) {
    for (const width of kWidths) {
      const viewport = { width, height: width > 800 ? 900 : 844 };
      const context = await browser.newContext({ storageState, colorScheme, viewport });
      const page = await context.newPage();
      for (const [name, path] of pages) {
        await page.goto(instance.admin_url + path);
        await page.waitForTimeout(kSettleMs);
        await shoot(page, `${name}-${colorScheme}-${width}`);
        const opens = { definitions: "[data-testid='event-checkout completed'] button", properties: "[data-testid='property-amount'] button", live: "button[data-index='3']", flags: "[data-testid='flag-new-checkout'] button",
          ledger: "[aria-label='Ledger table'] tbody button", quarantine: "[aria-label='Events in quarantine'] li button" };
        if (name === "settings") {
          await page.getByRole("region", { name: "Browser SDK" }).scrollIntoViewIfNeeded();
          await shoot(page, `browser-sdk-${colorScheme}-${width}`);
        }
        if (name === "recording") {
          await page.getByRole("list", { name: "Console" }).getByRole("button").last().click();
          await page.waitForTimeout(kSettleMs);
          await shoot(page, `recording-moment-${colorScheme}-${width}`);
        }
        if (!opens[name]) continue;
        await page.locator(opens[name]).first().click();
        await page.waitForTimeout(kSettleMs);
        await shoot(page, `${name}-detail-${colorScheme}-${width}`);
      }
      await context.clearCookies();
      await page.goto(`${instance.admin_url}/login`);
      await page.waitForTimeout(kSettleMs);
      await shoot(page, `login-${colorScheme}-${width}`);
      await context.close();
    }
  }
  await shop.close();
  await entry.close();
}
