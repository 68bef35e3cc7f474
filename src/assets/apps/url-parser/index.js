const parametersMax = 50

export function setupPlugin({ config, global }) {
  global.fold = config.ignoreCase === 'true' ? (name) => name.toLowerCase() : (name) => name
  const names = (config.parameters || '').split(',').map((name) => global.fold(name.trim())).filter(Boolean)
  global.all = names.includes('*')
  global.names = new Set(names)
}

export function processEvent(event, { config, global }) {
  const address = event.properties ? event.properties[config.property || '$current_url'] : undefined
  if (typeof address !== 'string') return event
  let url
  try {
    url = new URL(address)
  } catch (error) {
    return event // relative or no address at all
  }
  const prefix = config.prefix === undefined ? 'url_' : config.prefix
  event.properties[prefix + 'host'] = url.host
  event.properties[prefix + 'path'] = url.pathname
  if (url.hash) event.properties[prefix + 'fragment'] = url.hash.slice(1)
  let count = 0
  for (const [name, value] of url.searchParams) {
    const folded = global.fold(name)
    if (!global.all && !global.names.has(folded)) continue
    if (++count > parametersMax) break
    event.properties[prefix + 'param_' + folded] = value
  }
  return event
}
