export function setupPlugin({ config, global }) {
  global.paths = (config.properties || '').split(',').map((name) => name.trim()).filter(Boolean)
}

function takeOut(object, path) {
  if (!object || typeof object !== 'object') return
  if (Object.prototype.hasOwnProperty.call(object, path)) {
    delete object[path]
    return
  }
  const dot = path.indexOf('.')
  if (dot > 0) takeOut(object[path.slice(0, dot)], path.slice(dot + 1))
}

export function processEvent(event, { global }) {
  for (const path of global.paths) {
    if (path === '$ip') event.ip = null
    takeOut(event.properties, path)
    for (const person of ['$set', '$set_once']) {
      if (event.properties) takeOut(event.properties[person], path)
    }
  }
  return event
}
