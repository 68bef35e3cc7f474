const days = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']
const two = (number) => String(number).padStart(2, '0')

export function processEvent(event) {
  if (!event.properties || !event.timestamp || event.event === '$snapshot') return event
  const time = new Date(event.timestamp)
  if (isNaN(time.getTime())) return event
  event.properties.day_of_the_week = days[time.getUTCDay()]
  event.properties.year = String(time.getUTCFullYear())
  event.properties.month = two(time.getUTCMonth() + 1)
  event.properties.day = two(time.getUTCDate())
  event.properties.hour = time.getUTCHours()
  event.properties.minute = time.getUTCMinutes()
  return event
}
