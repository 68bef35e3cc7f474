import { Plugin, PluginMeta } from '@posthog/plugin-scaffold'

interface Contact { email: string; properties: Record<string, unknown> }
type Crm = Plugin<{ config: { host: string; apiKey: string; mappings: string }; global: { map: [string, string][] }; jobs: { push: Contact & { attempt: number } } }>

const plugin: Crm = {
    jobs: {
        push: async (payload, meta) => {
            const { config, jobs } = meta as PluginMeta<Crm>
            const response = await fetch(`${config.host}/crm/v3/objects/contacts`, {
                method: 'POST', headers: { 'Content-Type': 'application/json', authorization: `Bearer ${config.apiKey}` },
                body: JSON.stringify({ properties: { email: payload.email, ...payload.properties } }),
            })
            if (response.status === 409) {
                const { message } = await response.json()
                const [, id] = /Existing ID: (\d+)/.exec(message) ?? []
                await fetch(`${config.host}/crm/v3/objects/contacts/${id}`, { method: 'PATCH', body: JSON.stringify({ properties: payload.properties }) })
            } else if (response.status >= 500 && payload.attempt < 3) {
                await jobs.push({ ...payload, attempt: payload.attempt + 1 }).runIn(200, 'milliseconds')
            }
        },
    },
    setupPlugin: ({ config, global }) => {
        global.map = config.mappings.split(',').map((pair) => pair.split(':').map((part) => part.trim()) as [string, string])
    },
    onEvent: async (event, { global, jobs }) => {
        const email = [event.$set?.email, event.properties?.$set?.email, event.properties?.email, event.distinct_id].find((one) => /@/.test(String(one ?? '')))
        if (!email) return
        const all = { ...event.properties, ...event.properties?.$set }
        const properties = Object.fromEntries(global.map.flatMap(([from, to]) => (from in all ? [[to, all[from]]] : [])))
        await jobs.push({ email, properties, attempt: 0 }).runNow()
    },
}
export = plugin
