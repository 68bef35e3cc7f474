// Replay: recordings made by real posthog-js in Chromium, and some that no honest page sends.
import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { join } from "node:path";

import { click, element, picture, send_recording, Shop, text } from "./recorded_visit.mjs";

export const recording_cases = [];
const test = (name, run) => recording_cases.push({ name: `replay: ${name}`, run });

const kEve = "eve@example.com";
const player = (page) => page.getByTestId("player");
const recorded_page = (page) => page.frameLocator('[data-testid="player"] iframe');
const open_list = async ({ page, instance }) => {
  await page.goto(`${instance.admin_url}/replay`);
  await page.getByRole("heading", { level: 1, name: "Replay" }).waitFor();
};
const row = (page, session) => page.getByTestId(`recording-${session}`);
/** A recording is listed some time after it was sent; the page looks by itself. */
const listed = (page, session) => row(page, session).waitFor({ timeout: 30_000 });
const open_recording = async (t, session, query = "") => {
  await t.page.goto(`${t.instance.admin_url}/replay/${session}${query}`);
  await player(t.page).waitFor();
};
const at_ms = async (page) => Number(await player(page).getAttribute("data-at"));
const policy_of = async (instance, path) =>
  (await fetch(instance.admin_url + path)).headers.get("content-security-policy");

test("before anything was recorded, the page says how, and one switch does it", async (t) => {
  const { page, instance } = t;
  await open_list(t);
  const first = page.getByTestId("first-recording");
  assert.ok((await first.getByTestId("snippet-js").innerText()).includes(instance.token));
  await first.getByRole("button", { name: "Switch recording on" }).click();
  await first.getByText("Recording is on.").waitFor();
  const config = await (await fetch(`${instance.capture_url}/array/${instance.token}/config`)).json();
  assert.equal(config.sessionRecording.consoleLogRecordingEnabled, true);
});

test("a visit recorded by posthog-js appears by itself, with what was done in it", async (t) => {
  const { page, instance } = t;
  t.shop = await Shop.open();
  t.session = await t.shop.visit(page.context().browser(), instance, kEve, 7_000);
  await listed(page, t.session);
  for (const done of ["2 clicks", "1 error", "1 warning"]) {
    await row(page, t.session).getByText(done).waitFor({ timeout: 20_000 });
  }
  const words = await row(page, t.session).innerText();
  assert.ok(words.includes(`${t.shop.origin.replace("http://", "")}/shop and 1 more page`), words);
});

test("the filters ask the server", async (t) => {
  const { page } = t;
  const filters = page.getByRole("search");
  await filters.getByLabel("Session id", { exact: true }).fill("no-such-session");
  await page.getByText("No recording matches").waitFor();
  await page.getByRole("button", { name: "Clear the filters" }).click();
  await listed(page, t.session);
  await send_recording(t.instance, "calm-1", [...picture(Date.now() - 9_000, "https://calm.example/", [], [text("calm")]), click(Date.now())], "carl");
  await listed(page, "calm-1");
  await filters.getByLabel("With console errors").check();
  await row(page, "calm-1").waitFor({ state: "detached" });
  await row(page, t.session).waitFor();
  await filters.getByLabel("With console errors").uncheck();
  await filters.getByLabel("distinct_id", { exact: true }).fill("carl");
  await row(page, t.session).waitFor({ state: "detached" });
  await row(page, "calm-1").waitFor();
  await filters.getByRole("button", { name: "Clear distinct_id" }).click();
  await listed(page, t.session);
  await filters.getByLabel("Page address contains", { exact: true }).fill("/cart");
  await row(page, "calm-1").waitFor({ state: "detached" });
  await row(page, t.session).waitFor();
  await filters.getByRole("button", { name: "Clear Page address contains" }).click();
  await filters.locator('input[aria-label="Length"]').click();
  await page.getByRole("option", { name: "10 minutes or more" }).click();
  await page.getByText("No recording matches").waitFor();
  await page.getByRole("button", { name: "Clear the filters" }).click();
  await listed(page, t.session);
});

test("the player draws what was there, in a frame without scripts, and asks no other site", async (t) => {
  const { page } = t;
  t.asked_before = t.shop.asked.length;
  await row(page, t.session).click();
  await recorded_page(page).getByRole("heading", { name: "Furniture for rainy days" }).waitFor();
  assert.equal(await player(page).locator("iframe").getAttribute("sandbox"), "allow-same-origin");
  const note = page.getByTestId("remote-note");
  assert.match(await note.innerText(), /Not loaded: \d+ pictures.* from 127\.0\.0\.1:\d+\./);
  await page.getByRole("button", { name: "Play", exact: true }).click();
  await page.getByRole("button", { name: "Play again" }).waitFor({ timeout: 25_000 });
  await recorded_page(page).getByText("Table, € 49").waitFor();
  assert.equal(await recorded_page(page).locator("#email").inputValue(), "*".repeat(kEve.length));
  assert.equal(t.shop.asked.length, t.asked_before, t.shop.asked.slice(t.asked_before).join());
});

test("the console and the timeline lead to a moment; the keyboard too", async (t) => {
  const { page } = t;
  const slider = page.getByRole("slider", { name: "Place in the recording" });
  await slider.focus();
  await page.keyboard.press("Home");
  assert.equal(await at_ms(page), 0);
  assert.equal(await recorded_page(page).getByText("Table, € 49").count(), 0);
  const line = page.getByRole("list", { name: "Console" }).getByRole("button", { name: "checkout failed: 402" });
  await line.click();
  const there = await at_ms(page);
  assert.ok(there > 5_000, String(there));
  await recorded_page(page).getByText("Table, € 49").waitFor();
  await page.getByText("Errors", { exact: true }).click();
  await page.getByText("1 line", { exact: true }).waitFor();
  await slider.focus();
  await page.keyboard.press("ArrowLeft");
  assert.ok(Math.abs(there - (await at_ms(page)) - 5_000) < 200);
  await page.getByRole("radiogroup", { name: "Speed" }).getByText("8×").click();
  await slider.focus();
  await page.keyboard.press("Space");
  await page.getByRole("button", { name: "Pause", exact: true }).or(page.getByRole("button", { name: "Play again" })).waitFor();
  await page.getByRole("button", { name: "Play again" }).waitFor();
  await page.getByRole("radiogroup", { name: "Speed" }).getByText("1×").click();
});

test("the session's events stand beside it, and an event leads to its moment", async (t) => {
  const { page, instance } = t;
  await page.getByRole("tab", { name: "Events" }).click();
  const events = page.getByRole("list", { name: "Events of the session" });
  await events.getByText("checkout failed").waitFor();
  await page.getByRole("link", { name: "Open in Events" }).click();
  const table = page.getByRole("table", { name: "Result" });
  await table.getByText("checkout failed", { exact: true }).click();
  await page.getByRole("link", { name: "Watch this moment" }).click();
  await player(page).waitFor();
  assert.match(page.url(), new RegExp(`^${instance.admin_url}/replay/${t.session}\\?t=\\d{13}$`));
  await page.waitForFunction(() => Number(document.querySelector('[data-testid="player"]')?.dataset.at) > 3_000);
});

test("what lies with others is loaded only when someone here says so", async (t) => {
  const { page, instance, shop } = t;
  const wide = `/replay/${t.session}?remote=1`;
  assert.match(await policy_of(instance, wide), /img-src [^;]*https:/);
  for (const path of ["/", "/replay", `/replay/${t.session}`, "/events?remote=1"]) {
    assert.match(await policy_of(instance, path), /img-src 'self' data:;/, path);
  }
  const before = shop.asked.length;
  // An address that somebody sent is not consent.
  await open_recording(t, t.session, "?remote=1");
  await page.getByTestId("remote-note").getByText("Not loaded").waitFor();
  assert.equal(page.url(), `${instance.admin_url}/replay/${t.session}`);
  assert.equal(shop.asked.length, before);
  await page.getByRole("button", { name: "Load them for this recording" }).click();
  await page.getByRole("button", { name: "Stop loading them" }).waitFor();
  await recorded_page(page).locator("img").first().evaluate((img) => img.decode());
  assert.ok(shop.asked.slice(before).includes("/goods-0.svg"));
  await page.getByRole("link", { name: "All recordings" }).click();
  await listed(page, t.session);
  const image = await page.evaluate((url) => new Promise((done) => {
    const img = new Image();
    img.onload = () => done("loaded");
    img.onerror = () => done("refused");
    img.src = url;
  }), `${shop.origin}/goods-1.svg`);
  assert.equal(image, "refused");
  t.complaints.splice(0, t.complaints.length, ...t.complaints.filter((c) => !c.includes("/goods-1.svg")));
});

test("a recording that wants more than to be seen does nothing", async (t) => {
  const { page, instance, shop } = t;
  const at = Date.now() - 20_000;
  const evil = shop.origin;
  const head = [
    element("meta", { "http-equiv": "refresh", content: `0;url=${evil}/refresh` }),
    element("base", { href: evil }),
    element("link", { rel: "preconnect", href: evil }),
    element("link", { rel: "prefetch", href: `${evil}/prefetch` }),
    element("link", { rel: "stylesheet", href: `${evil}/evil.css` }),
    element("style", {}, { ...text(`@import "${evil}/import.css"; h1{background:url(${evil}/css.svg)}`), isStyle: true }),
    element("script", { src: `${evil}/evil.js` }, text("top.hacked = 1")),
  ];
  const body = [
    element("h1", {}, text("Harmless")),
    element("img", { src: `${evil}/pixel.svg`, onerror: "top.hacked = 2", style: `background:url('${evil}/style.svg')` }),
    element("img", { src: `${instance.admin_url}/api/me`, srcset: `${evil}/a.svg 1x, ${evil}/b.svg 2x` }),
    element("img", { src: "x:", onerror: "top.hacked = 3" }),
    element("iframe", { src: `${evil}/frame`, srcdoc: "<script>top.hacked = 4</script>" }),
    element("iframe", { src: "javascript:top.hacked = 5" }),
    element("object", { data: `${evil}/object` }),
    element("embed", { src: `${evil}/embed` }),
    element("video", { src: `${evil}/video`, poster: `${evil}/poster.svg`, autoplay: true }),
    element("svg", {}, element("image", { href: `${evil}/svg.svg`, "xlink:href": `${evil}/xlink.svg` })),
    element("form", { action: `${evil}/form` }, element("input", { type: "image", src: `${evil}/input.svg` })),
  ];
  const added = element("img", { src: `${evil}/later.svg`, onerror: "top.hacked = 6" });
  const events = [
    ...picture(at, "https://evil.example/", head, body),
    { type: 3, timestamp: at + 1000, data: { source: 0, texts: [], removes: [],
      attributes: [{ id: body[0].id, attributes: { style: { background: `url(${evil}/mutated.svg)` }, onclick: "top.hacked = 7" } },
        { id: body[1].id, attributes: { src: `${evil}/src.svg` } }, { id: head[2].id, attributes: { rel: "preload", href: `${evil}/rel` } }],
      adds: [{ parentId: body[0].id, nextId: null, node: added }] } },
    { type: 3, timestamp: at + 1200, data: { source: 8, id: head[5].id, adds: [{ rule: `p{background:url(${evil}/rule.svg)}`, index: 0 }] } },
    { type: 3, timestamp: at + 1300, data: { source: 10, family: "Evil", fontSource: `url(${evil}/font.woff2)`, buffer: false } },
    { type: 3, timestamp: at + 1400, data: { source: 9, id: 1, type: 0, commands: [{ property: "toString", args: [] }] } },
    click(at + 2000, body[0].id),
  ];
  await send_recording(instance, "hostile-1", events, "mallory");
  await open_list(t);
  await listed(page, "hostile-1");
  const before = shop.asked.length;
  const seen = [];
  const listen = (request) => seen.push(request.url());
  page.on("request", listen);
  await row(page, "hostile-1").click();
  await recorded_page(page).getByRole("heading", { name: "Harmless" }).waitFor();
  await page.getByRole("button", { name: "Play", exact: true }).click();
  await page.getByRole("button", { name: "Play again" }).waitFor();
  page.off("request", listen);
  const ours = new RegExp(`^(data:|${instance.admin_url}/(assets/|api/projects|api/status|favicon.svg))`);
  assert.deepEqual(seen.filter((url) => !ours.test(url)), []);
  assert.deepEqual(shop.asked.slice(before), []);
  assert.equal(await page.evaluate(() => window.hacked), undefined);
  assert.match(await page.getByTestId("remote-note").innerText(), /canvas is not shown/);
});

test("a session in two windows shows the one that was used", async (t) => {
  const { page, instance } = t;
  const at = Date.now() - 30_000;
  const of = (window, begin) => [...picture(begin, `https://two.example/${window}`, [], [text(`window ${window}`)]), click(begin + 500), click(begin + 1_000)];
  await send_recording(instance, "two-1", of("first", at), "tina", "w1");
  await send_recording(instance, "two-1", of("second", at + 20_000), "tina", "w2");
  await open_list(t);
  await row(page, "two-1").getByText("4 clicks").waitFor({ timeout: 30_000 });
  await row(page, "two-1").click();
  await player(page).getByText("Window 1 of 2").waitFor();
  await recorded_page(page).getByText("window first").waitFor();
  await page.getByRole("button", { name: "Play", exact: true }).click();
  // Twenty seconds in which nobody did anything do not take twenty seconds.
  await player(page).getByText("Window 2 of 2").waitFor({ timeout: 8_000 });
  await recorded_page(page).getByText("window second").waitFor();
  await page.getByRole("button", { name: "Play again" }).waitFor();
});

test("a recording whose blocks are gone says so; so does one that never was", async (t) => {
  const { page, instance } = t;
  await page.goto(`${instance.admin_url}/replay/never-recorded`);
  await page.getByTestId("recording-missing").getByText("There is no recording of this session").waitFor();
  await rm(join(instance.data, "objects/replay"), { recursive: true });
  await page.goto(`${instance.admin_url}/replay/calm-1`);
  const gone = page.getByTestId("recording-nothing");
  await gone.getByText("This recording can no longer be read").waitFor();
  await gone.getByText("Its 1 block is gone or damaged").waitFor();
});

test("a part that is gone is told, and the rest is played", async (t) => {
  const { page, instance } = t;
  const at = Date.now() - 30_000;
  await send_recording(instance, "half-1", [...picture(at, "https://half.example/", [], [text("first half")]), click(at + 1000)]);
  await open_list(t);
  await listed(page, "half-1");
  await rm(join(instance.data, "objects/replay"), { recursive: true });
  await send_recording(instance, "half-1", [...picture(at + 20_000, "https://half.example/", [], [text("second half")]), click(at + 21_000)]);
  await row(page, "half-1").getByText("2 clicks").waitFor({ timeout: 30_000 });
  await row(page, "half-1").click();
  await page.getByTestId("recording-damage").getByText("1 part of this recording is missing").waitFor();
  await recorded_page(page).getByText("second half").waitFor();
});

test("a very large recording is read in parts and does not hold the page up", async (t) => {
  const { page, instance } = t;
  const at = Date.now() - 600_000;
  const filler = "x".repeat(60_000);
  for (let part = 0; part < 6; part++) {
    const begin = at + part * 60_000;
    const events = [...picture(begin, "https://large.example/", [], [text(`part ${part}`)])];
    for (let i = 0; i < 230; i++) {
      const node = { type: 2, id: 1_000_000 + part * 1000 + i, tagName: "p", attributes: { title: filler }, childNodes: [] };
      const adds = [{ parentId: events[1].data.node.childNodes[1].childNodes[1].id, nextId: null, node }];
      events.push({ type: 3, timestamp: begin + 100 + i * 200, data: { source: 0, texts: [], attributes: [], removes: [], adds } });
    }
    events.push(click(begin + 50_000));
    await send_recording(instance, "large-1", events);
  }
  await open_list(t);
  await row(page, "large-1").getByText("6 clicks").waitFor({ timeout: 40_000 });
  await page.evaluate(() => {
    window.longest = 0;
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) window.longest = Math.max(window.longest, duration);
    }).observe({ type: "longtask" });
  });
  await row(page, "large-1").click();
  const bound = page.getByTestId("recording-bound");
  await bound.getByText("More than this page holds at once").waitFor({ timeout: 60_000 });
  await recorded_page(page).getByText("part 0").waitFor();
  const longest = await page.evaluate(() => window.longest);
  assert.ok(longest < 1_000, `${longest} ms`);
  await bound.getByRole("button", { name: "Read on from there" }).click();
  await recorded_page(page).getByText(/part [45]/).waitFor({ timeout: 60_000 });
  await page.getByTestId("recording-bound").waitFor({ state: "detached" });
});

test("on a phone the player and what is beside it are under each other", async (t) => {
  const { page } = t;
  await page.setViewportSize({ width: 390, height: 844 });
  await open_recording(t, "half-1");
  const wide = await page.evaluate(() => document.getElementById("content").scrollWidth);
  assert.equal(wide, 390);
  const [above, below] = [await player(page).boundingBox(), await page.getByRole("tablist").boundingBox()];
  assert.ok(above.y + above.height <= below.y);
  await page.setViewportSize({ width: 1440, height: 900 });
  await t.shop.close();
});
