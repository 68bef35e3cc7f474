import { PluginEvent } from '@posthog/plugin-scaffold'
import { parse } from 'url'

const PARAMETERS = ['utm_source', 'utm_medium', 'utm_campaign', 'gclid'] as const

export function processEvent(event: PluginEvent, { config }: { config: { mode: string } }): PluginEvent {
    const url: string | undefined = event.properties?.$current_url
    if (!url) return event
    if (config.mode === 'legacy') {
        const { query, pathname, hostname } = parse(url, true)
        Object.assign(event.properties!, { path: pathname, host: hostname, source: query.utm_source })
    }
    try {
        const { searchParams, hash, origin } = new URL(url)
        for (const name of PARAMETERS) if (searchParams.has(name)) event.properties![`initial_${name}`] = searchParams.get(name)
        searchParams.delete('token')
        event.properties!.clean = `${origin}?${searchParams}`
        event.properties!.fragment = new URLSearchParams(hash.slice(1)).getAll('tag')
        event['$set_once'] = { ...event.$set_once, first_host: new URL(url).hostname }
    } catch (e) {
        event.properties!.url_error = (e as Error).name
    }
    return event
}
