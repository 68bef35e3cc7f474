// Feature flags with posthog-node: what it decides by itself from the definitions, and what it is told.
//
// Plan, on standard input: host, key, secret (phx_…), ids, properties (of every person), payload_of (a
// flag's key). Prints {local: {id: {flag: value}}, remote: {…}, payloads, payload, errors, version}.
import { PostHog } from 'posthog-node'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const plan = JSON.parse(readFileSync(0, 'utf8'))
const errors = []
const make = (options) => {
  const client = new PostHog(plan.key, { host: plan.host, flushAt: 1000, ...options })
  client.on('error', (error) => errors.push(String(error)))
  return client
}
const knowing = make({ personalApiKey: plan.secret })
const asking = make({})
await knowing.reloadFeatureFlags()
const local = {}, remote = {}, payloads = {}
for (const id of plan.ids) {
  const options = { personProperties: plan.properties, onlyEvaluateLocally: true }
  local[id] = await knowing.getAllFlags(id, options)
  const told = await asking.getAllFlagsAndPayloads(id)
  remote[id] = told.featureFlags
  payloads[id] = told.featureFlagPayloads
}
const payload = await knowing.getRemoteConfigPayload(plan.payload_of)
await knowing.shutdown()
await asking.shutdown()
const package_file = fileURLToPath(import.meta.resolve('posthog-node')).replace(/dist\/.*$/, 'package.json')
const version = JSON.parse(readFileSync(package_file)).version
console.log(JSON.stringify({ local, remote, payloads, payload, errors, version }))
