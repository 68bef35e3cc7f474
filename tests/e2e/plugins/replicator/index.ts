import type { Plugin, ProcessedPluginEvent } from '@posthog/plugin-scaffold'

interface Strong { order: number; tag_name?: string; text?: string; attr_class?: string[]; attributes?: Record<string, string>; nth_child?: number }
const quote = (text: string) => text.replace(/"/g, '\\"')

const chain = (elements: Strong[]) => elements.map((element) => {
    let tag = element.tag_name ?? ''
    if (element.attr_class) tag += element.attr_class.sort().map((one) => `.${one.replace(/"/g, '')}`).join('')
    const attributes = { ...(element.text ? { text: element.text } : {}), ...(element.nth_child !== undefined ? { 'nth-child': element.nth_child } : {}), ...element.attributes }
    return `${tag}:${Object.entries(attributes).sort(([a], [b]) => a.localeCompare(b)).map(([k, v]) => `${k}="${quote(String(v))}"`).join('')}`
}).join(';')

const plugin: Plugin = {
    exportEvents: async (events: ProcessedPluginEvent[], { config }) => {
        const batch = []
        for (const event of events) {
            const { team_id, elements, person: _person, ip, ...sendable } = event as any
            if (ip) sendable.properties.$ip ??= ip
            if (elements?.length) sendable.properties = { ...sendable.properties, $elements_chain: chain(elements) }
            batch.push({ ...sendable, token: config.project_api_key })
        }
        const { status } = await fetch(`${config.host.replace(/\/+$/, '')}/e`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(batch) })
        console.log(`Flushed ${batch.length} event${batch.length !== 1 ? 's' : ''} to ${new URL(config.host).hostname}: ${status}`)
    },
}
module.exports = plugin
