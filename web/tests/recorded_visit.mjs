// A visit to a small shop in its own browser context, recorded by real posthog-js, which the page
// takes from Penstock; and recordings written by hand for what no honest page sends.
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";

const kSettleMsMax = 20_000;
const kPicture = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 90"><rect width="120" height="90" fill="#bfe3e6"/>
<path d="M20 70h80l-12-40H32z" fill="#0b6b79"/><circle cx="84" cy="24" r="10" fill="#eeb04f"/></svg>`;
const kStyle = `body{margin:0;font:16px/1.5 system-ui,sans-serif;color:#1d2b2a;background:#fafaf7}
header{display:flex;gap:24px;padding:18px 40px;background:#fff;border-bottom:1px solid #e3e3da}
header b{margin-right:auto} main{max-width:860px;margin:32px auto;padding:0 20px}
.goods{display:grid;grid-template-columns:repeat(3,1fr);gap:20px} .goods div{background:#fff;border:1px solid #e3e3da;border-radius:10px;padding:16px}
img{width:100%;height:120px;object-fit:cover} button{padding:9px 18px;border:0;border-radius:8px;background:#0b6b79;color:#fff;font:inherit}
form{display:flex;gap:10px;margin:28px 0} input{padding:9px 12px;border:1px solid #bbb;border-radius:8px;font:inherit}
.banner{height:60px;background:url(/banner.svg)} #cart{list-style:"✓ "}`;

function shop_page(host, key) {
  const goods = ["Table", "Chair", "Lamp"].map(
    (name, i) => `<div><img src="/goods-${i}.svg" alt=""><h3>${name}</h3><p>€ ${49 + 30 * i}</p><button id="buy-${i}">Buy now</button></div>`,
  );
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Möbel ☂</title><link rel="stylesheet" href="/style.css">
<script>window.posthog=Object.assign([],{_i:[],__SV:1,init(...told){this._i.push(told)}})
posthog.init(${JSON.stringify(key)},{api_host:${JSON.stringify(host)},opt_out_useragent_filter:true,person_profiles:"always"},"posthog")</script>
<script async src="${host}/static/array.js"></script></head><body><header><b>Möbel ☂</b><a href="/sale">Sale</a><a href="/about">About</a></header>
<div class="banner"></div><main><h1>Furniture for rainy days</h1><div class="goods">${goods.join("")}</div>
<form onsubmit="return false"><input id="email" placeholder="Your e-mail"><input id="password" type="password" placeholder="Password"><button>Sign up</button></form>
<ul id="cart"></ul></main></body></html>`;
}

export class Shop {
  static async open() {
    const shop = new Shop();
    shop.asked = [];
    shop.server = createServer((request, response) => {
      shop.asked.push(request.url);
      const type = request.url.endsWith(".svg") ? "image/svg+xml" : request.url.endsWith(".css") ? "text/css" : "text/html; charset=utf-8";
      response.setHeader("Content-Type", type);
      response.setHeader("Access-Control-Allow-Origin", "*");
      response.end(type === "image/svg+xml" ? kPicture : type === "text/css" ? kStyle : shop.page);
    });
    await new Promise((done) => shop.server.listen(0, "127.0.0.1", done));
    shop.server.unref(); // a run of a few tests ends without the one that closes it
    shop.origin = `http://127.0.0.1:${shop.server.address().port}`;
    return shop;
  }

  /** Someone looks around, buys, types, and meets an error. Answers the session's id. */
  async visit(browser, instance, distinct_id = "eve@example.com", wait_ms = 0) {
    this.page = shop_page(instance.capture_url, instance.token);
    const context = await browser.newContext({ viewport: { width: 1180, height: 760 } });
    const page = await context.newPage();
    await page.goto(`${this.origin}/shop`);
    await page.waitForFunction(() => window.posthog?.sessionRecordingStarted?.(), null, { timeout: kSettleMsMax });
    await page.evaluate((id) => window.posthog.identify(id), distinct_id);
    await page.mouse.move(300, 300, { steps: 8 });
    await page.click("#buy-0");
    await page.evaluate(() => {
      console.log("added to the cart", { sku: "T-1", price: 49 });
      const item = document.createElement("li");
      item.textContent = "Table, € 49";
      document.querySelector("#cart").append(item);
    });
    await page.type("#email", "eve@example.com", { delay: 30 });
    await page.type("#password", "hunter2");
    await page.waitForTimeout(wait_ms);
    await page.evaluate(() => {
      history.pushState({}, "", "/cart");
      window.posthog.capture("$pageview");
      console.warn("the coupon is old ☂");
      console.error("checkout failed: 402");
      window.posthog.capture("checkout failed", { amount: 49 });
    });
    await page.mouse.move(700, 420, { steps: 6 });
    await page.click("#buy-2");
    const session = await page.evaluate(() => window.posthog.get_session_id());
    // What was recorded leaves with the page.
    await page.goto("about:blank");
    await context.close();
    return session;
  }

  async close() {
    await new Promise((done) => {
      this.server.close(done);
      this.server.closeAllConnections();
    });
  }
}

/** Sends rrweb events as posthog-js would. */
export async function send_recording(instance, session, events, distinct_id = "someone", window = "w1") {
  const snapshot = {
    event: "$snapshot",
    uuid: randomUUID(),
    properties: {
      token: instance.token, distinct_id, $session_id: session, $window_id: window,
      $snapshot_data: events, $lib: "web", $snapshot_source: "web",
    },
  };
  const response = await fetch(`${instance.capture_url}/s/`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify([snapshot]),
  });
  if (!response.ok) throw new Error(`capture answered ${response.status}`);
}

let id = 100;
export const element = (tagName, attributes = {}, ...childNodes) => ({ type: 2, id: id++, tagName, attributes, childNodes });
export const text = (textContent) => ({ type: 3, id: id++, textContent });

/** A page's first two events: its size and its picture. */
export function picture(at, href, head, body) {
  const html = element("html", {}, element("head", {}, ...head), element("body", {}, ...body));
  const node = { type: 0, id: id++, childNodes: [{ type: 1, id: id++, name: "html", publicId: "", systemId: "" }, html] };
  return [
    { type: 4, timestamp: at, data: { href, width: 900, height: 600 } },
    { type: 2, timestamp: at + 1, data: { node, initialOffset: { top: 0, left: 0 } } },
  ];
}

export const click = (at, node = 1) => ({ type: 3, timestamp: at, data: { source: 2, type: 2, id: node, x: 20, y: 20 } });
