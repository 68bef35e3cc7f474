import { PluginEvent, PluginMeta, StorageExtension, CacheExtension } from '@posthog/plugin-scaffold'

type FirstMeta = PluginMeta & { storage: StorageExtension; cache: CacheExtension; config: { events: string } }

export async function processEvent(event: PluginEvent, { config, storage, cache }: FirstMeta): Promise<PluginEvent> {
    const tracked = config.events.split(',')
    if (!tracked.includes(event.event)) return event
    event.properties ??= {}
    const everKey = `ever_${event.event}`
    const userKey = `${event.event}_${event.distinct_id}`
    event.properties['is_event_first_ever'] = !(await storage.get(everKey, false))
    if (event.properties['is_event_first_ever']) await storage.set(everKey, true)
    event.properties['is_event_first_for_user'] = (await cache.get(userKey, null)) === null
    if (event.properties['is_event_first_for_user']) await cache.set(userKey, { at: event.timestamp ?? event.now })
    event.properties['times'] = await cache.incr(`${userKey}_count`)
    return event
}
