const version = /^v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?(?:\+([0-9A-Za-z.-]+))?$/

export function setupPlugin({ config, global }) {
  global.names = (config.properties || '').split(',').map((name) => name.trim()).filter(Boolean)
}

export function processEvent(event, { global }) {
  for (const name of global.names) {
    const value = event.properties ? event.properties[name] : undefined
    if (typeof value !== 'string') continue
    const parts = version.exec(value.trim())
    if (!parts) continue
    event.properties[name + '__major'] = Number(parts[1])
    if (parts[2] !== undefined) event.properties[name + '__minor'] = Number(parts[2])
    if (parts[3] !== undefined) event.properties[name + '__patch'] = Number(parts[3])
    if (parts[4] !== undefined) event.properties[name + '__preRelease'] = parts[4]
    if (parts[5] !== undefined) event.properties[name + '__build'] = parts[5]
  }
  return event
}
