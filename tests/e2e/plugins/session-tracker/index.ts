import { Plugin } from '@posthog/plugin-scaffold'

const SESSION_SECONDS = 30 * 60
const keyOf = (id: string) => `session_${id}`

const plugin: Plugin<{ config: { minutes: string } }> = {
    processEvent: async (event, { cache, config }) => {
        const now = new Date(event.timestamp || event.now || Date.now())
        const raw = await cache.get(keyOf(event.distinct_id), null)
        const last = raw === null ? null : (raw as { id: string; at: number; n: number })
        const limit = (parseInt(config.minutes, 10) || SESSION_SECONDS / 60) * 60 * 1000
        const goesOn = last !== null && now.getTime() - last.at < limit
        const session = goesOn ? { ...last!, at: now.getTime(), n: last!.n + 1 } : { id: event.uuid!, at: now.getTime(), n: 1 }
        await cache.set(keyOf(event.distinct_id), session, SESSION_SECONDS)
        await cache.expire(keyOf(event.distinct_id), SESSION_SECONDS * 2)
        await cache.lpush('recent', [event.distinct_id, session.n as any])
        const recent = await cache.lrange('recent', 0, 1)
        event.properties = { ...event.properties, session_step: session.n, session_started: !goesOn, recent,
            recent_length: await cache.llen('recent') }
        return event
    },
}
module.exports = plugin
