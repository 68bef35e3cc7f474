import { createHash } from 'crypto'
import type { PluginEvent, PluginMeta } from '@posthog/plugin-scaffold'

interface Store { seen(key: string): boolean }

abstract class BaseStore implements Store {
    protected constructor(protected readonly limit: number) {}
    abstract seen(key: string): boolean
}

class LruStore extends BaseStore {
    readonly #entries = new Map<string, number>()
    static of(limit: number): LruStore { return new LruStore(limit) }
    private constructor(limit: number) { super(limit) }
    override seen(key: string): boolean {
        const known = this.#entries.delete(key)
        this.#entries.set(key, Date.now())
        if (this.#entries.size > this.limit) this.#entries.delete(this.#entries.keys().next().value!)
        return known
    }
    get size(): number { return this.#entries.size }
}

const stable = (value: unknown): string =>
    value && typeof value === 'object' && !Array.isArray(value)
        ? `{${Object.keys(value).sort().map((k) => `${k}:${stable((value as Record<string, unknown>)[k])}`).join()}}`
        : JSON.stringify(value)

export function setupPlugin({ global }: PluginMeta): void {
    global.store = LruStore.of(2)
}

export function processEvent(event: PluginEvent, { global }: PluginMeta): PluginEvent | undefined {
    const { for: _, ...own } = event.properties ?? {}
    const hash = createHash('md5').update(`${event.distinct_id}/${event.event}/${stable(own)}`).digest('base64')
    if ((global.store as LruStore).seen(hash)) return undefined
    return { ...event, properties: { ...event.properties, hash, kept: (global.store as LruStore).size } }
}
