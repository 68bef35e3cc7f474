function wordsOf(name) {
  return name
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .replace(/([A-Z]+)([A-Z][a-z])/g, '$1 $2')
    .split(/[\s_-]+/)
    .filter(Boolean)
    .map((word) => word.toLowerCase())
}
const capital = (word) => word.charAt(0).toUpperCase() + word.slice(1)

const conventions = {
  camelCase: (words) => words.map((word, i) => (i ? capital(word) : word)).join(''),
  PascalCase: (words) => words.map(capital).join(''),
  snake_case: (words) => words.join('_'),
  'kebab-case': (words) => words.join('-'),
  'spaces in between': (words) => words.join(' '),
}

export function setupPlugin({ config, global }) {
  global.write = conventions[config.defaultNamingConvention]
  if (!global.write) throw new Error(`There is no way of writing '${config.defaultNamingConvention}'`)
}

export function processEvent(event, { global }) {
  if (!event.event.startsWith('$')) event.event = global.write(wordsOf(event.event)) || event.event
  return event
}
