const { createHash, createHmac } = require('crypto')

const EMAIL = /[\w.+-]+@[\w-]+(?:\.[\w-]+)+/g

async function setupPlugin({ config, global }) {
    if (!config.salt || config.salt.length < 4) {
        throw new Error('The salt must have at least 4 characters')
    }
    global.fields = new Set((config.privateFields || '').split(',').map((field) => field.trim()).filter(Boolean))
    global.hash = (value) => createHash('sha256').update(`${value}${config.salt}`).digest('hex')
}

function walk(value, global, path = '') {
    if (typeof value === 'string') return value.replace(EMAIL, (email) => `${global.hash(email).slice(0, 8)}@hidden`)
    if (Array.isArray(value)) return value.map((item, i) => walk(item, global, `${path}.${i}`))
    if (value && typeof value === 'object') {
        return Object.fromEntries(Object.entries(value).map(([key, inner]) => {
            const name = path ? `${path}.${key}` : key
            return [key, global.fields.has(name) ? global.hash(inner) : walk(inner, global, name)]
        }))
    }
    return value
}

async function processEvent(event, { global, config }) {
    if (global.fields.has('distinct_id')) {
        event.distinct_id = createHmac('sha1', config.salt).update(event.distinct_id).digest('base64')
    }
    return { ...event, properties: walk(event.properties, global) }
}
