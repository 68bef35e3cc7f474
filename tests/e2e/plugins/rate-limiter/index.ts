import { CacheExtension, PluginEvent, PluginMeta } from '@posthog/plugin-scaffold'

type Limit = Readonly<{ count: number; seconds: number }>
const limits = (text: string): Map<string, Limit> =>
    new Map(text.split(/\s*,\s*/).map((one): [string, Limit] => {
        const { event, count, seconds } = /^(?<event>[^:]+):(?<count>\d+)\/(?<seconds>\d+)s$/.exec(one)?.groups ?? {}
        if (!event) throw new TypeError(`"${one}" is no limit`)
        return [event, { count: +count, seconds: +seconds }]
    }))

export function setupPlugin({ global, config }: PluginMeta): void { global.limits = limits(config.limits) }

export async function processEvent(event: PluginEvent, { global, cache }: PluginMeta & { cache: CacheExtension }) {
    const limit: Limit | undefined = global.limits.get(event.event)
    if (!limit) return event
    const key = `${event.event}:${event.distinct_id}`
    const used = await cache.incr(key)
    if (used === 1) await cache.expire(key, limit.seconds)
    return used > limit.count ? null : { ...event, properties: { ...event.properties, left: limit.count - used } }
}
