// The first that matches counts: browsers name those they descend from.
const browsers = [
  ['Samsung Internet', /SamsungBrowser\/([\d.]+)/], ['Microsoft Edge', /Edg(?:e|A|iOS)?\/([\d.]+)/],
  ['Opera', /(?:OPR|Opera)\/([\d.]+)/], ['Chrome iOS', /CriOS\/([\d.]+)/], ['Firefox iOS', /FxiOS\/([\d.]+)/],
  ['Firefox', /Firefox\/([\d.]+)/], ['Chrome', /(?:Headless)?Chrome\/([\d.]+)/],
  ['Mobile Safari', /Version\/([\d.]+).*Mobile.*Safari/], ['Safari', /Version\/([\d.]+).*Safari/],
  ['Internet Explorer', /(?:MSIE |rv:)([\d.]+)/],
]
const systems = [
  ['Windows', /Windows NT ([\d.]+)/], ['iOS', /(?:iPhone|iPad|iPod).*? OS ([\d_]+)/], ['Android', /Android ([\d.]+)?/],
  ['Mac OS X', /Mac OS X ([\d_.]+)/], ['Chrome OS', /CrOS \S+ ([\d.]+)/], ['Linux', /Linux()/],
]
const lengthMax = 2000

function find(list, agent) {
  for (const [name, pattern] of list) {
    const match = pattern.exec(agent)
    if (match) return [name, (match[1] || '').replace(/_/g, '.')]
  }
  return [undefined, undefined]
}

function deviceOf(agent) {
  if (/iPad/.test(agent)) return ['iPad', 'Tablet']
  if (/iPhone/.test(agent)) return ['iPhone', 'Mobile']
  if (/Android/.test(agent)) return ['Android', /Mobile/.test(agent) ? 'Mobile' : 'Tablet']
  return [undefined, 'Desktop']
}

export function processEvent(event, { config }) {
  const properties = event.properties
  if (!properties) return event
  const key = '$useragent' in properties ? '$useragent' : '$user_agent'
  const agent = properties[key]
  if (typeof agent !== 'string' || agent === '') return event
  const text = agent.slice(0, lengthMax)
  delete properties[key]
  const overwrite = config.overrideUserAgentDetails === 'true'
  const set = (name, value) => {
    if (value !== undefined && value !== '' && (overwrite || properties[name] === undefined)) properties[name] = value
  }
  const [browser, version] = find(browsers, text)
  const [system, systemVersion] = find(systems, text)
  const [device, type] = deviceOf(text)
  set('$browser', browser)
  set('$browser_version', version)
  set('$os', system)
  set('$os_version', systemVersion)
  set('$device', device)
  set('$device_type', type)
  set('$browser_type', /bot|crawler|spider|crawling/i.test(text) ? 'bot' : 'browser')
  return event
}
