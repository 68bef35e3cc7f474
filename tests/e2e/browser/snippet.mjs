// A visitor of a page that loads posthog-js from Penstock, as pages do that have no bundler: a queue
// that takes calls before the SDK is there, and a script element.
//
// Plan, on standard input: host, key, script (path of the bundle), options (of posthog.init), wait_for
// (paths that must have been asked for before the visit ends). Prints {version, flags, payload,
// config, surveys, features, requests: [{path, query, method, status}], errors}.
import { readFileSync } from 'node:fs'
import { arrive } from './visitor.mjs'

const plan = JSON.parse(readFileSync(0, 'utf8'))
const page_text = `<!doctype html><title>Shop</title><main><button id="buy">Buy</button>
<p id="dead">Nothing happens here</p></main>
<script>
const queue = window.posthog = []
queue._i = []
queue.__SV = 1
queue.people = []
for (const method of ['capture', 'identify', 'onFeatureFlags', 'register']) {
  queue[method] = (...words) => queue.push([method, ...words])
}
queue.init = (key, options, name = 'posthog') => queue._i.push([key, options, name])
const script = document.createElement('script')
script.crossOrigin = 'anonymous'
script.async = true
script.src = ${JSON.stringify(plan.host + plan.script)}
document.head.append(script)
posthog.init(${JSON.stringify(plan.key)}, ${JSON.stringify({ api_host: plan.host, ...plan.options })})
posthog.onFeatureFlags((flags, values) => { window.told = values })
posthog.capture('before it was loaded', { early: true })
</script>`

const { origin, page, errors, requests, outcomes, leave } = await arrive(plan,
  (request, response) => response.end(request.url === '/shop' ? page_text : ''))
page.on('console', (line) => { if (line.type() === 'error') errors.push(line.text()) })

await page.goto(origin + '/shop')
await page.waitForFunction(() => window.posthog?.__loaded && window.told, null, { timeout: 30_000 })
const told = await page.evaluate(async () => {
  const list = (ask) => new Promise((done) => ask((all) => done(all)))
  return {
    version: posthog.version, flags: window.told,
    payload: posthog.getFeatureFlagPayload('variants'),
    surveys: await list((done) => posthog.getSurveys(done, true)),
    features: await list((done) => posthog.getEarlyAccessFeatures(done, true)),
  }
})
await page.click('#buy')
await page.evaluate(() => setTimeout(() => { throw new Error('thrown in the shop') }))
const asked = (path) => requests.some((r) => new URL(r.url()).pathname === path)
const until = Date.now() + 20_000
while (!plan.wait_for.every(asked) && Date.now() < until) await page.waitForTimeout(100)
await page.waitForTimeout(4_000)  // what is queued leaves after three seconds
const seen = await outcomes()
await leave()
console.log(JSON.stringify({ ...told, requests: seen, errors }))
