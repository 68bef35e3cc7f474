import { Plugin, PluginEvent, PluginMeta } from '@posthog/plugin-scaffold'
import fetch from 'node-fetch'

interface Rates { base: string; rates: Record<string, number> }
type CurrencyPlugin = Plugin<{
    global: { rates: Rates }
    config: { apiUrl: string; normalizedCurrency: string; amountProperty: string; currencyProperty: string }
}>
type Meta = PluginMeta<CurrencyPlugin>

async function loadRates({ config, cache, global }: Meta): Promise<void> {
    const kept = (await cache.get('rates', null)) as string | null
    if (kept) {
        global.rates = JSON.parse(kept)
        return
    }
    const response = await fetch(`${config.apiUrl}/latest.json?base=EUR`, { headers: { Accept: 'application/json' } })
    if (!response.ok) {
        throw new Error(`Cannot fetch rates: ${response.status} ${await response.text()}`)
    }
    global.rates = await response.json()
    await cache.set('rates', JSON.stringify(global.rates), 60 * 60)
}

export const setupPlugin: CurrencyPlugin['setupPlugin'] = async (meta) => {
    if (!/^[A-Z]{3}$/.test(meta.config.normalizedCurrency)) throw new Error('normalizedCurrency is no currency')
    await loadRates(meta as Meta)
}

export const runEveryHour = async (meta: Meta) => await loadRates(meta)

export const processEvent: CurrencyPlugin['processEvent'] = (event: PluginEvent, { config, global }) => {
    const { amountProperty, currencyProperty, normalizedCurrency } = config
    const amount = event.properties?.[amountProperty]
    const currency = event.properties?.[currencyProperty]
    if (amount === undefined || !currency || !event.properties) return event
    const { rates } = global.rates
    const euros = Number(amount) / (currency === 'EUR' ? 1 : rates[currency])
    event.properties[`${amountProperty}_${normalizedCurrency}`] = Math.round(euros * rates[normalizedCurrency] * 100) / 100
    event.properties.shown = new Intl.NumberFormat('en-US', { style: 'currency', currency: normalizedCurrency })
        .format(event.properties[`${amountProperty}_${normalizedCurrency}`])
    return event
}
