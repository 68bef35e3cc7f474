var isBlank = function (x) { return x === undefined || x === null || x === '' }
function get(object, path) { return path.split('.').reduce(function (o, k) { return isBlank(o) ? undefined : o[k] }, object) }
function unset(object, path) {
    var keys = path.split('.'), last = keys.pop(), parent = get(object, keys.join('.')) || (keys.length ? null : object)
    if (parent && parent.hasOwnProperty(last)) delete parent[last]
}
var operators = {
    is: function (a, b) { return b.some(function (x) { return x == a }) },
    is_not: function (a, b) { return !operators.is(a, b) },
    contains: function (a, b) { return b.some(function (x) { return String(a).indexOf(x) !== -1 }) },
    regex: function (a, b) { return new RegExp(b[0], 'i').test(a) },
    gt: function (a, b) { return Number(a) > Number(b[0]) },
}
function setupPlugin(meta) {
    try {
        meta.global.filters = JSON.parse(meta.config.filters)
    } catch (error) {
        throw new Error('filters are no JSON: ' + error.name)
    }
    meta.global.remove = meta.config.remove ? meta.config.remove.split(',') : []
}
function processEvent(event, meta) {
    var keep = meta.global.filters.every(function (f) {
        var value = get(event.properties, f.property)
        return isBlank(value) ? meta.config.keepUndefined === 'Yes' : operators[f.operator](value, [].concat(f.value))
    })
    if (!keep) return null
    meta.global.remove.forEach(function (path) { unset(event.properties, path) })
    event.properties.count = (meta.global.count = (meta.global.count || 0) + 1)
    return event
}
