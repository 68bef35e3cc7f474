const kept = new Set(['$elements', '$elements_chain', '$groups', '$active_feature_flags', '$heatmap_data', '$web_vitals_data', '$set', '$set_once', '$unset'])
const depthMax = 20

function flatten(from, separator, prefix, into, depth) {
  for (const key of Object.keys(from)) {
    const value = from[key]
    const name = prefix ? prefix + separator + key : key
    if (value && typeof value === 'object' && depth < depthMax) {
      flatten(value, separator, name, into, depth + 1)
    } else if (prefix) {
      into[name] = value
    }
  }
}

export function processEvent(event, { config }) {
  const separator = config.separator || '__'
  if (event.event === '$autocapture' || !event.properties) return event
  const added = {}
  for (const key of Object.keys(event.properties)) {
    const value = event.properties[key]
    if (kept.has(key) || !value || typeof value !== 'object') continue
    flatten(value, separator, key, added, 1)
  }
  for (const key of ['$set', '$set_once']) {
    const person = event.properties[key]
    if (!person || typeof person !== 'object') continue
    const flat = {}
    for (const name of Object.keys(person)) {
      if (person[name] && typeof person[name] === 'object') flatten(person[name], separator, name, flat, 1)
    }
    Object.assign(person, flat)
  }
  Object.assign(event.properties, added)
  return event
}
