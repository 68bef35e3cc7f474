import { PluginEvent, PluginMeta, RetryError } from '@posthog/plugin-scaffold'
import fetch, { RequestInit, Response } from 'node-fetch'

export const metrics = { rows_written: 'sum', largest_batch: 'MAX', smallest_batch: 'min' }

type WarehouseMeta = PluginMeta & { config: { url: string; token: string }; global: { headers: Record<string, string> } }

const request = async (url: string, options: RequestInit): Promise<Response> => {
    try {
        return await fetch(url, { timeout: 5000, ...options })
    } catch (error) {
        throw new RetryError(`Cannot reach the warehouse: ${(error as Error).message}`)
    }
}

export async function setupPlugin({ config, global }: WarehouseMeta): Promise<void> {
    global.headers = { 'Content-Type': 'application/json', Authorization: `Basic ${Buffer.from(`user:${config.token}`).toString('base64')}` }
    const response = await request(`${config.url}/ping`, { headers: global.headers })
    if (!response.ok) throw new Error(`Bad credentials: ${response.status}`)
}

export async function exportEvents(events: PluginEvent[], { config, global, metrics }: WarehouseMeta & { metrics: any }): Promise<void> {
    const rows = events.map(({ event, uuid, properties, ...rest }) => ({
        event, uuid, elements: JSON.stringify((rest as any).elements ?? []), set: properties?.$set ?? null,
        properties: JSON.stringify(properties), at: new Date(rest.timestamp!).toISOString(),
    }))
    const response = await request(`${config.url}/rows`, { method: 'POST', headers: global.headers, body: JSON.stringify({ rows }) })
    if (response.status >= 500) throw new RetryError(`The warehouse answered ${response.status}`)
    if (!response.ok) throw new Error(await response.text())
    metrics['rows_written'].increment(rows.length)
    metrics.largest_batch.max(rows.length)
    metrics.smallest_batch.min(rows.length)
}
