import { PostHogEvent, Webhook } from '@posthog/plugin-scaffold'

const escaped = (text: unknown): string => String(text).replace(/[&<>]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[c]!)

export function composeWebhook(event: PostHogEvent, { config }: { config: Record<string, string> }): Webhook | null {
    if (config.only && !config.only.split(',').includes(event.event)) return null
    const who = event.person?.properties?.email ?? event.distinct_id
    const text = config.template.replace(/\[([\w.$]+)\]/g, (_, path: string) => {
        const value = path.split('.').reduce((at: any, part) => at?.[part], { event, person: event.person, who })
        return escaped(value instanceof Date ? value.toISOString() : value ?? `(${path})`)
    })
    return {
        url: config.webhookUrl, method: 'POST', headers: { 'Content-Type': 'application/json', 'X-Source': 'plugin' },
        body: JSON.stringify({ text, blocks: [{ type: 'section', text: { type: 'mrkdwn', text } }] }),
    }
}
