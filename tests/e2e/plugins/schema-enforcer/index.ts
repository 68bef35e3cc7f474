import { Meta, PluginAttachment, PluginEvent } from '@posthog/plugin-scaffold'

type Rule = { required?: string[]; types?: Record<string, string>; pattern?: Record<string, string> }

class ValidationError extends Error {
    constructor(public readonly event: string, public readonly problems: string[]) {
        super(`${event}: ${problems.join('; ')}`)
        Object.setPrototypeOf(this, new.target.prototype)
        Error.captureStackTrace?.(this, ValidationError)
        this.name = 'ValidationError'
    }
}

export function setupPlugin({ attachments, global }: Meta) {
    const file = attachments.schema as PluginAttachment | undefined
    if (!file) throw new Error('No schema was uploaded')
    global.rules = new Map<string, Rule>(Object.entries(JSON.parse(file.contents.toString())))
}

function problemsOf(event: PluginEvent, rule: Rule): string[] {
    const properties = event.properties ?? {}
    return [
        ...(rule.required ?? []).filter((name) => !(name in properties)).map((name) => `${name} is missing`),
        ...Object.entries(rule.types ?? {}).filter(([name, type]) => name in properties && typeof properties[name] !== type)
            .map(([name, type]) => `${name} is no ${type}`),
        ...Object.entries(rule.pattern ?? {}).filter(([name, text]) => !new RegExp(text, 'u').test(String(properties[name])))
            .map(([name]) => `${name} is malformed`),
    ]
}

export function processEvent(event: PluginEvent, { global, config }: Meta) {
    const rule: Rule | undefined = global.rules.get(event.event)
    if (!rule) return event
    const problems = problemsOf(event, rule)
    if (problems.length === 0) return { ...event, properties: { ...event.properties, $schema_valid: true } }
    if (config.mode === 'drop') {
        console.warn('dropped', event.event, problems)
        return null
    }
    if (config.mode === 'throw') throw new ValidationError(event.event, problems)
    event.properties!.$schema_problems = problems
    return event
}
