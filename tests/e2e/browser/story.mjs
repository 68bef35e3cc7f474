// One person, two devices: posthog-js in two fresh Chromiums, one after the other. Looks around
// unknown, logs in, joins a company, has an alias, logs out; then the same on a phone.
//
// Plan, the first line of standard input: host, key, user_agent, options (of posthog.init), settle_ms
// (for the last requests of a device). Prints the distinct ids that the devices were given.
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { arrive } from './visitor.mjs'

const plan = JSON.parse((await once(createInterface({ input: process.stdin }), 'line'))[0])
const sdk = readFileSync(new URL('node_modules/posthog-js/dist/module.no-external.js', import.meta.url))

async function device(plan, life) {
  const { origin, page, errors, outcomes, leave } = await arrive(plan, (request, response) => {
    const script = request.url === '/posthog.js'
    if (script) response.setHeader('Content-Type', 'text/javascript')
    response.end(script ? sdk : '<!doctype html><title>Shop</title>')
  })
  await page.goto(origin + '/shop')
  await page.evaluate(async (plan) => {
    const module = await import('/posthog.js')
    window.posthog = module.posthog || module.default
    posthog.init(plan.key, { api_host: plan.host, ...plan.options })
  }, plan)
  const ids = await page.evaluate(life)
  await page.waitForTimeout(plan.settle_ms)
  const requests = await outcomes()
  await leave()
  return { ids, errors, refused: requests.filter((r) => r.status !== 200) }
}

const laptop = await device(plan, () => {
  const anonymous = posthog.get_distinct_id()
  posthog.capture('looked around')
  posthog.capture('looked closer')
  posthog.identify('eve', { email: 'eve@example.com' }, { first_seen: 'laptop' })
  posthog.capture('bought')
  posthog.group('company', 'acme', { seats: 5 })
  posthog.capture('worked')
  posthog.alias('eve-old')
  posthog.reset()
  const stranger = posthog.get_distinct_id()
  posthog.capture('came by')
  return { anonymous, stranger }
})
const phone = await device(plan, () => {
  const anonymous = posthog.get_distinct_id()
  posthog.capture('looked on the phone')
  posthog.identify('eve', {}, { first_seen: 'phone' })
  posthog.capture('bought on the phone')
  return { anonymous }
})
console.log(JSON.stringify({
  laptop: laptop.ids, phone: phone.ids,
  errors: [...laptop.errors, ...phone.errors], refused: [...laptop.refused, ...phone.refused],
}))
