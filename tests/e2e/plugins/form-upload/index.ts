import { Plugin, PluginEvent } from '@posthog/plugin-scaffold'

// Settled while the module loads, as bundlers leave it.
const boundary = await import('./parts').then(({ label }) => label('card'))

type Upload = Plugin<{ config: { url: string; tags: string } }>

export const onEvent: Upload['onEvent'] = async (event: PluginEvent, { config }) => {
    const form = new FormData()
    form.append('name', event.event)
    for (const tag of config.tags.split(',')) form.append('tags', tag.trim())
    const card = new Blob([JSON.stringify({ n: event.properties!.n, label: boundary }), '\n'], { type: 'application/json' })
    form.set('card', card, `${event.event}.json`)
    const shown = [...form].map(([key, value]) => `${key}=${typeof value === 'string' ? value : `${value.name}/${value.size}`}`)
    const answer = await fetch(config.url, { method: 'POST', body: form })
    console.log(shown.join(' '), answer.status, await (await answer.blob()).text())
}
