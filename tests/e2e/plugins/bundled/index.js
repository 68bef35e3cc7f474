(() => {
  'use strict'
  var modules = {
    183: (module, exports, require) => {
      require.d(exports, { Sampler: () => Sampler })
      class Sampler {
        constructor(rate) { Object.assign(this, { rate }) }
        keeps(id) {
          let hash = 5381
          for (const c of String(id)) hash = ((hash << 5) + hash + c.codePointAt(0)) >>> 0
          return (hash % 100) / 100 < this.rate
        }
      }
    },
  }
  var cache = {}
  function load(id) {
    var found = cache[id]
    if (found !== undefined) return found.exports
    var module = (cache[id] = { exports: {} })
    modules[id](module, module.exports, load)
    return module.exports
  }
  load.d = (exports, definition) => {
    for (var key in definition) {
      if (!Object.prototype.hasOwnProperty.call(exports, key)) Object.defineProperty(exports, key, { enumerable: true, get: definition[key] })
    }
  }
  load.r = (exports) => {
    if (typeof Symbol !== 'undefined' && Symbol.toStringTag) Object.defineProperty(exports, Symbol.toStringTag, { value: 'Module' })
    Object.defineProperty(exports, '__esModule', { value: true })
  }
  var out = {}
  load.r(out)
  load.d(out, { setupPlugin: () => setupPlugin, processEvent: () => processEvent })
  var { Sampler } = load(183)
  const setupPlugin = async function ({ global, config }) { global.sampler = new Sampler(parseFloat(config.percentage) / 100) }
  const processEvent = function (event, { global }) { return global.sampler.keeps(event.distinct_id) ? event : null }
  module.exports = out
})()
//# sourceMappingURL=index.js.map
