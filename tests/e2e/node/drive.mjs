// Sends a plan with posthog-node: JSON on standard input, what went wrong as JSON on standard output.
// The plan's form is told in ../sdk.py.
import { PostHog } from 'posthog-node'
import { readFileSync } from 'node:fs'

const plan = JSON.parse(readFileSync(0, 'utf8'))
const client = new PostHog(plan.key, {
  host: plan.host,
  flushAt: plan.batch,
  maxBatchSize: plan.batch,
  flushInterval: 200,
  disableCompression: !plan.gzip,
  historicalMigration: plan.historical,
  fetchRetryCount: plan.retries,
  fetchRetryDelay: 250,
  maxQueueSize: 10000,
  disableGeoip: true,
})
const errors = []
client.on('error', (error) => errors.push(String(error)))
const pause = (ms) => new Promise((done) => setTimeout(done, ms))

for (const e of plan.events) {
  const message = {
    distinctId: e.distinct_id,
    event: e.event,
    properties: e.properties,
    groups: e.groups,
    timestamp: new Date(e.timestamp),
    uuid: e.uuid,
  }
  if (plan.ai) client.captureAi(message)
  else if (plan.immediate) await client.captureImmediate(message)
  else client.capture(message)
  if (plan.pace_ms > 0) await pause(plan.pace_ms)
}
const calls = {
  set: (c) => client.identify({ distinctId: c.distinct_id, properties: { $set: c.set, $set_once: c.set_once } }),
  alias: (c) => client.alias({ distinctId: c.distinct_id, alias: c.alias }),
  group: (c) => client.groupIdentify({ groupType: c.type, groupKey: c.key, properties: c.set }),
  exception: (c) => client.captureException(new TypeError(c.message), c.distinct_id, { place: c.place }),
}
for (const c of plan.calls) calls[c.call](c)
// Waiting to try again does not keep a process alive in Capture V1; a server's sockets do.
const alive = setInterval(() => {}, 1000)
await client.shutdown(100000)
clearInterval(alive)
const installed = new URL('./node_modules/posthog-node/package.json', import.meta.url)
console.log(JSON.stringify({ errors, version: JSON.parse(readFileSync(installed, 'utf8')).version }))
