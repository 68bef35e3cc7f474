// Sends a plan with posthog-node: JSON on standard input, what went wrong as JSON on standard output.
// The plan's form is told in ../sdk.py.
import { PostHog } from 'posthog-node'
import { readFileSync } from 'node:fs'

const plan = JSON.parse(readFileSync(0, 'utf8'))
const client = new PostHog(plan.key, {
  host: plan.host,
  flushAt: plan.batch,
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
  client.capture({
    distinctId: e.distinct_id,
    event: e.event,
    properties: e.properties,
    groups: e.groups,
    timestamp: new Date(e.timestamp),
    uuid: e.uuid,
  })
  if (plan.pace_ms > 0) await pause(plan.pace_ms)
}
for (const i of plan.identifies) client.identify({ distinctId: i.distinct_id, properties: i.set })
await client.shutdown(60000)
console.log(JSON.stringify({ errors }))
