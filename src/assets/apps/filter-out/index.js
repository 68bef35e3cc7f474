const operators = {
  string: {
    is: (value, wanted) => value === wanted,
    is_not: (value, wanted) => value !== wanted,
    contains: (value, wanted) => value.includes(wanted),
    not_contains: (value, wanted) => !value.includes(wanted),
    regex: (value, wanted) => new RegExp(wanted).test(value),
    not_regex: (value, wanted) => !new RegExp(wanted).test(value),
  },
  number: {
    gt: (value, wanted) => value > wanted,
    gte: (value, wanted) => value >= wanted,
    lt: (value, wanted) => value < wanted,
    lte: (value, wanted) => value <= wanted,
    eq: (value, wanted) => value === wanted,
    neq: (value, wanted) => value !== wanted,
  },
  boolean: {
    is: (value, wanted) => value === wanted,
    is_not: (value, wanted) => value !== wanted,
  },
}

function readFilters(text) {
  const filters = JSON.parse(text || '[]')
  if (!Array.isArray(filters)) throw new Error('Conditions are a list')
  const groups = filters.length > 0 && Array.isArray(filters[0]) ? filters : [filters]
  for (const filter of groups.flat()) {
    if (!operators[filter.type]) throw new Error(`There are no conditions of type ${filter.type}`)
    if (!operators[filter.type][filter.operator]) {
      throw new Error(`There is no operator ${filter.operator} for ${filter.type}`)
    }
  }
  return groups
}

export function setupPlugin({ config, global }) {
  global.groups = readFilters(config.filters)
  global.eventsToDrop = (config.eventsToDrop || '').split(',').map((name) => name.trim()).filter(Boolean)
  global.keepUndefined = config.keepUndefinedProperties === 'Yes'
}

function holds(filter, event, keepUndefined) {
  const value = event.properties ? event.properties[filter.property] : undefined
  if (value === undefined || value === null) return keepUndefined
  if (typeof value !== filter.type) return false
  return operators[filter.type][filter.operator](value, filter.value)
}

export function processEvent(event, { global }) {
  if (global.eventsToDrop.includes(event.event)) return undefined
  const kept = global.groups.some((group) => group.every((filter) => holds(filter, event, global.keepUndefined)))
  return kept ? event : undefined
}
