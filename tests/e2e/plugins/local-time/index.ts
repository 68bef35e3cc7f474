import { Plugin } from '@posthog/plugin-scaffold'

enum Part { Weekday = 'weekday', Hour = 'hour', DayPeriod = 'dayPeriod' }
const plugin: Plugin = {
    processEvent(event, { config }) {
        const zone = event.properties?.['$geoip_time_zone'] || config.zone
        const date = new Date(event.timestamp as string)
        if (isNaN(date.getTime())) return event
        const parts = new Intl.DateTimeFormat('en-US', { timeZone: zone, weekday: 'long', hour: 'numeric', hour12: false })
            .formatToParts(date)
        const of = (part: Part) => parts.find(({ type }) => type === part)?.value
        const day = date.toLocaleDateString('en-CA', { timeZone: zone })
        event.properties = {
            ...event.properties, day_of_the_week: of(Part.Weekday), hour: Number(of(Part.Hour)) % 24, day,
            is_weekend: ['Saturday', 'Sunday'].includes(of(Part.Weekday) as string),
            written: date.toLocaleString('de-DE', { timeZone: zone, dateStyle: 'full', timeStyle: 'short' }),
            iso_week: isoWeek(date), ago: new Intl.RelativeTimeFormat('en', { numeric: 'auto' }).format(-1, 'day'),
            country: new Intl.DisplayNames(['en'], { type: 'region' }).of(event.properties?.country ?? 'DE'),
        }
        return event
    },
}
function isoWeek(date: Date): number {
    const day = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()))
    day.setUTCDate(day.getUTCDate() + 4 - (day.getUTCDay() || 7))
    return Math.ceil(((day.getTime() - Date.UTC(day.getUTCFullYear(), 0, 1)) / 86400000 + 1) / 7)
}
export default plugin
