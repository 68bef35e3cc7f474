// Every page, light and dark, wide and narrow, with data as a product has it.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";

import { contradicting_event, sample_events } from "./sample_events.mjs";

const kWidths = [1440, 390];
const kSettleMs = 900;

async function fill(instance) {
  const first = sample_events(40);
  await instance.send(first);
  await instance.send(first.slice(0, 5));
  await instance.send([contradicting_event(), contradicting_event()]);
  for (let i = 0; i < 12; i++) {
    await instance.send(sample_events(20 + ((i * 37) % 50)));
    await new Promise((done) => setTimeout(done, 400));
  }
  return first[0].uuid;
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
  const storageState = await entry.storageState();
  const pages = [["live", "/live"], ["events", "/events"], ["health", "/health"],
    ["trace", `/trace/${uuid}`], ["settings", "/settings"]];
  for (const colorScheme of ["light", "dark"]) {
    for (const width of kWidths) {
      const viewport = { width, height: width > 800 ? 900 : 844 };
      const context = await browser.newContext({ storageState, colorScheme, viewport });
      const page = await context.newPage();
      for (const [name, path] of pages) {
        await page.goto(instance.admin_url + path);
        await page.waitForTimeout(kSettleMs);
        await shoot(page, `${name}-${colorScheme}-${width}`);
        if (name !== "live") continue;
        await page.locator("button[data-index='3']").click();
        await page.waitForTimeout(kSettleMs);
        await shoot(page, `detail-${colorScheme}-${width}`);
      }
      await context.clearCookies();
      await page.goto(`${instance.admin_url}/login`);
      await page.waitForTimeout(kSettleMs);
      await shoot(page, `login-${colorScheme}-${width}`);
      await context.close();
    }
  }
  await entry.close();
}
