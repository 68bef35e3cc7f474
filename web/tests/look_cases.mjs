// What every page owes to eyes, fingers and keyboards, whatever it shows.
import assert from "node:assert/strict";

export const look_cases = [];
const test = (name, run) => look_cases.push({ name: `look: ${name}`, run });

const go = async ({ page, instance }, path, title) => {
  await page.goto(instance.admin_url + path);
  await page.getByRole("heading", { level: 1, name: title }).waitFor();
};

test("a page begins at its top, has the keyboard, and the tab has its name", async (t) => {
  const { page } = t;
  await page.setViewportSize({ width: 1440, height: 600 });
  await go(t, "/settings", "Settings");
  assert.equal(await page.title(), "Settings · Penstock");
  await page.getByRole("region", { name: "Appearance" }).waitFor();
  const top = () => page.evaluate(() => document.getElementById("content").scrollTop);
  await page.evaluate(() => document.getElementById("content").scrollTo(0, 500));
  assert.equal(await top(), 500);
  await page.getByRole("link", { name: "Health" }).first().click();
  await page.getByTestId("part-received").waitFor();
  assert.equal(await top(), 0);
  assert.equal(await page.title(), "Health · Penstock");
  assert.equal(await page.evaluate(() => document.activeElement.id), "content");
  await page.getByRole("link", { name: "Trace", exact: true }).first().click();
  await page.getByRole("textbox", { name: "uuid of an event" }).waitFor();
  await page.waitForFunction(() => document.activeElement?.tagName === "INPUT");
  await page.setViewportSize({ width: 1440, height: 900 });
});

// Of two colours as the browser computed them, by WCAG 2.
const contrast = (page, locator, side) =>
  locator.evaluate((box, which) => {
    const light = (css) => {
      const [r, g, b] = css.match(/[\d.]+/g).slice(0, 3).map((v) => {
        const c = Number(v) / 255;
        return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (el) => {
      for (let at = el.parentElement; at; at = at.parentElement) {
        const css = getComputedStyle(at).backgroundColor;
        if (!/rgba\(.*, 0\)|transparent/.test(css)) return css;
      }
      return "rgb(255, 255, 255)";
    };
    const [a, b] = [light(getComputedStyle(box)[which]), light(behind(box))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  }, side);

test("fields and switches that are off stand out by 3 to 1, in light and dark", async (t) => {
  const { page } = t;
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    await go(t, "/settings", "Settings");
    const section = page.getByRole("region", { name: "Browser SDK" });
    const off = section.locator("input[role=switch]:not(:checked) + .mantine-Switch-track").first();
    await off.waitFor();
    const track = await contrast(page, off, "backgroundColor");
    assert.ok(track >= 3, `${colorScheme} switch ${track}`);
    const field = page.getByRole("textbox", { name: "Email" });
    const edge = await contrast(page, field, "borderTopColor");
    assert.ok(edge >= 3, `${colorScheme} field ${edge}`);
    await go(t, "/live", "Live");
    const filter = await contrast(page, page.getByLabel("Event name", { exact: true }), "borderTopColor");
    assert.ok(filter >= 3, `${colorScheme} filter ${filter}`);
  }
  await page.emulateMedia({ colorScheme: "light" });
});

test("a lost connection is not shown as emptiness, and what failed can be tried again", async (t) => {
  const { page } = t;
  await page.route(/\/(tail|feature_flags)(\?|$)/, (route) => route.abort());
  await go(t, "/live", "Live");
  const empty = page.getByTestId("live-empty");
  await empty.getByText("Penstock does not answer").waitFor();
  assert.equal(await page.getByText("Nothing in this time").count(), 0);
  await go(t, "/flags", "Feature flags");
  await page.getByRole("alert").getByRole("button", { name: "Try again" }).waitFor();
  await page.unrouteAll();
  await page.getByRole("button", { name: "Try again" }).click();
  await page.getByTestId("flag-checkout").waitFor();
  assert.equal(await page.getByRole("alert").count(), 0);
});

test("on a phone the first event and the whole query are in sight", async (t) => {
  const { page } = t;
  await page.setViewportSize({ width: 390, height: 844 });
  await t.instance.send([{ event: "on a phone", distinct_id: "someone on a phone", properties: { plan: "pro" } }]);
  await go(t, "/live", "Live");
  const row = page.getByTestId("tail-list").locator("button").filter({ hasText: "on a phone" }).first();
  await row.getByText("someone on a phone · plan: pro").waitFor();
  const list = await page.getByTestId("tail-list").boundingBox();
  assert.ok(list.y < 230, `the list begins at ${list.y} px`);
  for (const name of ["Clear", "Pause"]) {
    const { width, height } = await page.getByRole("button", { name, exact: true }).boundingBox();
    assert.ok(width >= 40 && height >= 40, `${name}: ${width} × ${height}`);
  }
  await go(t, "/events", "Events");
  await page.getByRole("button", { name: "Examples" }).click();
  await page.getByRole("menuitem", { name: "Events per minute, last hour" }).click();
  const run = await page.getByRole("button", { name: "Run", exact: true }).boundingBox();
  const last = await page.locator(".cm-line").last().boundingBox();
  assert.ok(last.y + last.height <= run.y, `the last line ends at ${last.y + last.height}, Run begins at ${run.y}`);
  await page.setViewportSize({ width: 1440, height: 900 });
});
