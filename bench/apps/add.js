// Reads two properties and adds one.
function processEvent(event) {
  event.properties.greeting = event.properties.$browser + " on " + event.properties.$os;
  return event;
}
module.exports = { processEvent };
