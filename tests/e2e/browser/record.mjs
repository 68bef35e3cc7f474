// A visitor whose session is recorded, in a real Chromium: the page takes posthog-js and all it loads
// later (recorder, surveys) from Penstock, as a page with PostHog's snippet does. It clicks, types, logs,
// changes itself and asks for flags and surveys. Prints as JSON what it was told, every request to
// Penstock with what became of it, and every rrweb event that left the page.
//
// Plan, the first line of standard input: host, key, user_agent, options (of posthog.init). At every
// further line the visitor types it, and stays until standard input ends.
import { createInterface } from 'node:readline'
import { gunzipSync } from 'node:zlib'
import { arrive, is_gzip } from './visitor.mjs'

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const plan = JSON.parse((await lines.next()).value)
// The loader stands for PostHog's snippet: it keeps what init is told until array.js arrives.
const page_text = `<!doctype html><title>Shop</title>
<script>
  window.posthog = Object.assign([], { _i: [], __SV: 1, init(...told) { this._i.push(told) } })
  posthog.init(${JSON.stringify(plan.key)}, ${JSON.stringify({ api_host: plan.host, ...plan.options })}, 'posthog')
</script>
<script async src="${plan.host}/static/array.js"></script>
<main><h1>Möbel ☂</h1><button id="buy">Buy now</button><input id="name" aria-label="Name">
<input id="secret" type="password" aria-label="Password"><ul id="list"></ul></main>`

const { origin, page, errors, outcomes, leave } =
  await arrive(plan, (request, response) => response.end(page_text))
const recorded = []
page.on('request', (r) => {
  const { pathname: path, searchParams } = new URL(r.url())
  if (!r.url().startsWith(plan.host) || path !== '/s/' || searchParams.has('retry_count')) return
  const body = r.postDataBuffer()
  const text = is_gzip(body) ? gunzipSync(body) : body
  for (const { properties } of [JSON.parse(text)].flat()) {
    for (const event of [properties.$snapshot_data].flat()) {
      recorded.push([properties.$window_id, event])
    }
  }
})

await page.goto(origin + '/shop')
await page.waitForFunction(() => window.posthog.sessionRecordingStarted?.(), null, { timeout: 60_000 })
await page.click('#buy')
await page.type('#name', 'Eve')
await page.type('#secret', 'hunter2')
const told = await page.evaluate(async () => {
  console.log('a plain line', { n: 1 })
  console.warn('a warning ☂')
  console.error('an error')
  const item = document.createElement('li')
  item.textContent = 'appeared later'
  document.querySelector('#list').append(item)
  history.pushState({}, '', '/cart')
  const surveys = await new Promise((done) => posthog.getSurveys(done, true))
  await new Promise((done) => posthog.onFeatureFlags(done))
  return {
    session: posthog.get_session_id(), distinct_id: posthog.get_distinct_id(), version: posthog.version,
    surveys, flags: { on: posthog.getFeatureFlag('new-checkout'), off: posthog.isFeatureEnabled('nobody') },
    payload: posthog.getFeatureFlagPayload('new-checkout'),
  }
})
for await (const line of lines) {
  await page.press('#name', 'End')
  await page.type('#name', line)
}
const requests = await outcomes()
await leave()
console.log(JSON.stringify({ ...told, origin, requests, recorded, errors }))
