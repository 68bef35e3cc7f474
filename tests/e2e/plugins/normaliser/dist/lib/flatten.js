exports.flatten = function flatten(value, separator, path = [], out = {}) {
  for (const key of Object.keys(value || {})) {
    if (key.startsWith('$')) continue
    const inner = value[key], here = path.concat(key)
    if (inner && typeof inner === 'object' && inner.constructor !== Date) flatten(inner, separator, here, out)
    else if (path.length) out[here.join(separator)] = inner
  }
  return out
}
