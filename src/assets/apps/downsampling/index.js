import { createHash } from 'crypto'

export function setupPlugin({ config, global }) {
  const percentage = parseFloat(config.percentage)
  if (!(percentage >= 0 && percentage <= 100)) throw new Error('The percentage is a number from 0 to 100')
  global.share = percentage / 100
  global.random = config.samplingMethod === 'Random sampling'
  global.only = (config.triggeringEvents || '').split(',').map((name) => name.trim()).filter(Boolean)
}

// The same visitor always gets the same number from 0 to 1.
function numberOf(distinctId) {
  const hash = createHash('sha256').update(String(distinctId)).digest('hex')
  return parseInt(hash.slice(0, 12), 16) / 0xffffffffffff
}

export function processEvent(event, { global }) {
  if (global.only.length > 0 && !global.only.includes(event.event)) return event
  const drawn = global.random ? Math.random() : numberOf(event.distinct_id)
  return drawn < global.share || global.share === 1 ? event : null
}
