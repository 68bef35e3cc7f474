'use strict'
Object.defineProperty(exports, '__esModule', { value: true })
exports.processEvent = void 0
const flatten_1 = require('./lib/flatten')
const semver_1 = require('./lib/semver')
const data_json_1 = __importDefault(require('../data/names.json'))
function __importDefault(mod) { return mod && mod.__esModule ? mod : { default: mod } }
const processEvent = (event, { config }) => {
    event.event = data_json_1.default[event.event] ?? event.event.replace(/([a-z0-9])([A-Z])/g, '$1 $2').toLowerCase()
    for (const name of config.versions.split(',')) {
        const parts = (0, semver_1.default)(event.properties?.[name])
        if (parts) event.properties = { ...event.properties, ...Object.fromEntries(Object.entries(parts).map(([k, v]) => [`${name}__${k}`, v])) }
    }
    event.properties = { ...event.properties, ...(0, flatten_1.flatten)(event.properties, config.separator) }
    return event
}
exports.processEvent = processEvent
