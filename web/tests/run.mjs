// Browser tests: the real binary, a real Chromium.
//
//   node tests/run.mjs [NAME…] [--screenshots DIR]
//
// PENSTOCK_BIN names the binary (default: this repository's release build), PENSTOCK_CHROMIUM the
// browser. NAME keeps the tests whose name holds it; they build on each other, so that is for
// looking closer. --screenshots takes pictures of every page instead of testing.
import { chromium } from "playwright-core";

import { cases } from "./cases.mjs";
import { Instance } from "./instance.mjs";
import { take_screenshots } from "./screenshots.mjs";

const kStepMsMax = 10_000;
// The browser logs each refused request by itself; these are what the tests provoke, and what a
// restart looks like from a page.
const kExpected = /the server responded with a status of (400|401|404|409)|net::ERR_/;

function listen(page, complaints) {
  page.on("pageerror", (error) => complaints.push(`script: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() !== "error" && message.type() !== "warning") return;
    if (!kExpected.test(message.text())) complaints.push(`${message.text()} ${message.location().url}`);
  });
}

async function run_tests(browser, instance, wanted) {
  const context = await browser.newContext({
    viewport: { width: 1440, height: 900 },
    colorScheme: "light",
    acceptDownloads: true,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(kStepMsMax);
  const shared = { page, instance, complaints: [] };
  listen(page, shared.complaints);
  let passed = 0;
  let failed = 0;
  for (const { name, run } of cases) {
    if (wanted.length > 0 && !wanted.some((w) => name.includes(w))) continue;
    const begun = performance.now();
    try {
      await run(shared);
      passed++;
      console.log(`ok      ${name} (${((performance.now() - begun) / 1000).toFixed(1)} s)`);
    } catch (error) {
      failed++;
      console.log(`FAILED  ${name}\n${error.stack ?? error}`);
    }
  }
  await context.close();
  console.log(`${passed} passed, ${failed} failed`);
  return passed > 0 && failed === 0;
}

async function main() {
  const args = process.argv.slice(2);
  const at = args.indexOf("--screenshots");
  const folder = at >= 0 ? args.splice(at, 2)[1] : undefined;
  const instance = await Instance.start();
  const browser = await chromium
    .launch({
      executablePath: process.env.PENSTOCK_CHROMIUM ?? "/usr/bin/chromium",
      args: ["--no-sandbox", "--disable-dev-shm-usage"],
    })
    .catch(async (error) => {
      await instance.remove();
      throw error;
    });
  try {
    if (folder !== undefined) await take_screenshots(browser, instance, folder);
    else process.exitCode = (await run_tests(browser, instance, args)) ? 0 : 1;
  } finally {
    await browser.close();
    await instance.remove();
  }
}

await main();
