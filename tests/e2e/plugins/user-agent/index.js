const BROWSERS = [
  [/(?<name>Edg|OPR|Chrome|CriOS|Firefox|FxiOS)\/(?<version>[\d.]+)/, { Edg: 'Edge', OPR: 'Opera', CriOS: 'Chrome', FxiOS: 'Firefox' }],
  [/Version\/(?<version>[\d.]+).*?(?<name>Safari)\//, {}],
]
const isBot = (ua) => /bot|crawl|spider|slurp|(?<!cu)bot\b/i.test(ua)

export function processEvent(event, { config: { overrideUserAgentDetails, debugMode } }) {
  const ua = event.properties?.$useragent ?? event.properties?.$user_agent
  if (!ua) {
    if (debugMode === 'true') console.warn('No user agent in event', event.uuid)
    return event
  }
  delete event.properties.$useragent
  delete event.properties.$user_agent
  for (const [pattern, names] of BROWSERS) {
    const { name, version } = ua.match(pattern)?.groups ?? {}
    if (!name) continue
    const found = { $browser: names[name] ?? name, $browser_version: parseFloat(version), $os: /\(([^;)]+)/.exec(ua)?.[1] }
    event.properties = overrideUserAgentDetails === 'true' ? { ...event.properties, ...found } : { ...found, ...event.properties }
    break
  }
  event.properties.is_bot = isBot(ua)
  return event
}
