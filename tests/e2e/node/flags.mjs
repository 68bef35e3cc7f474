// Asks posthog-node about feature flags: JSON {host, key, secret, ids, properties} on standard input;
// prints {remote: {id: flags}, local: {id: flags}}, the server's decisions and the SDK's own.
import { PostHog } from 'posthog-node'
import { readFileSync } from 'node:fs'

const plan = JSON.parse(readFileSync(0, 'utf8'))
const options = { host: plan.host, disableGeoip: true }
const remote = new PostHog(plan.key, options)
const local = new PostHog(plan.key, { ...options, personalApiKey: plan.secret })
await local.reloadFeatureFlags()
const personProperties = plan.properties
const told = { errors: [], remote: {}, local: {} }
for (const id of plan.ids) {
  told.remote[id] = await remote.getAllFlags(id, { personProperties })
  told.local[id] = await local.getAllFlags(id, { personProperties, onlyEvaluateLocally: true })
}
told.payload = await remote.getFeatureFlagPayload('split', plan.ids[0])
await remote.shutdown()
await local.shutdown()
console.log(JSON.stringify(told))
