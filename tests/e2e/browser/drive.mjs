// A visitor with posthog-js in a real Chromium: serves a small shop page, does what the plan says, and
// prints as JSON what the page was told to send, every request to Penstock with what became of it, and
// what the browser complained about.
//
// Plan, the first line of standard input: host, key, options (of posthog.init), events [{event, uuid, timestamp,
// properties}], pace_ms (pause after every event), settle_ms (how long to stay after the last one), sdk
// (an npm package, when not today's posthog-js), click (an element's selector), visit (all of a visit).
// The visitor stays until standard input ends.
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { arrive } from './visitor.mjs'

const input = createInterface({ input: process.stdin })
const ended = once(input, 'close')
const plan = JSON.parse((await once(input, 'line'))[0])
const dist = new URL(`node_modules/${plan.sdk || 'posthog-js'}/dist/`, import.meta.url)
const bundle = ['module.no-external.js', 'es.js'].map((name) => new URL(name, dist)).find(existsSync)
const sdk = readFileSync(bundle)
const page_text = `<!doctype html><title>Shop</title><main id="shop">
<button class="buy primary" id="buy" data-attr="buy-now">Buy now</button>
<a href="#terms" class="quiet">Terms</a></main>`

const { origin, page, errors, outcomes, leave } = await arrive(plan, (request, response) => {
  const script = request.url === '/posthog.js'
  if (request.url === '/empty') return response.end()
  if (script) response.setHeader('Content-Type', 'text/javascript')
  response.end(script ? sdk : page_text)
})

// The last words of a page are not among its requests: it notes them where the next page finds them.
await page.addInitScript((host) => {
  const send = navigator.sendBeacon.bind(navigator)
  navigator.sendBeacon = (url, body) => {
    const path = new URL(url, location.href)
    if (path.origin === new URL(host).origin) {
      localStorage.setItem('beacons', `${localStorage.getItem('beacons') || ''}${path.pathname} `)
    }
    return send(url, body)
  }
}, plan.host)
await page.goto(origin + '/shop?utm_source=test')
const told = await page.evaluate(async (plan) => {
  const module = await import('/posthog.js')
  const posthog = module.posthog || module.default
  window.posthog = posthog
  posthog.init(plan.key, { api_host: plan.host, ...plan.options })
  const pause = (ms) => new Promise((done) => setTimeout(done, ms))
  const anonymous = posthog.get_distinct_id()
  for (const e of plan.events) {
    posthog.capture(e.event, e.properties, { uuid: e.uuid, timestamp: new Date(e.timestamp) })
    if (plan.pace_ms) await pause(plan.pace_ms)
  }
  return { anonymous, version: posthog.version || posthog.LIB_VERSION, url: location.href }
}, plan)

if (plan.click) await page.click(plan.click)
if (plan.visit) {
  await page.click('#buy')
  await page.evaluate(async () => {
    posthog.identify('eve@example.com', { plan: 'pro' }, { first_seen: 'shop' })
    posthog.setPersonProperties({ theme: 'dark' }, { first_theme: 'light' })
    posthog.group('company', 'acme', { seats: 5 })
    posthog.capture('after identify', { step: 2 })
    posthog.captureException(new TypeError('it broke ☂'), { place: 'checkout' })
  })
}
await ended
// What is still queued must leave by itself when the visitor goes: posthog-js uses sendBeacon then.
await page.waitForTimeout(plan.settle_ms)
await page.goto('about:blank')
await page.waitForTimeout(500)
await page.goto(origin + '/empty')
const beacons = await page.evaluate(() => (localStorage.getItem('beacons') || '').trim().split(' '))
const requests = await outcomes()
await leave()
console.log(JSON.stringify({ ...told, requests, beacons, errors }))
