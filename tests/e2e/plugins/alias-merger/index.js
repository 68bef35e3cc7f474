exports.default = {
  async setupPlugin(meta) {
    meta.global.pending = []
    meta.global.timer = setInterval(() => { meta.global.ticks = (meta.global.ticks || 0) + 1 }, 20)
  },
  async teardownPlugin({ global }) { clearInterval(global.timer) },
  processEvent: async (event, { global }) => {
    await new Promise((resolve) => setTimeout(resolve, 50))
    event.properties.ticked = global.ticks > 0
    const { $anon_distinct_id: anonymous, ...rest } = event.properties
    if (event.event === 'login' && anonymous) {
      global.pending.push(anonymous)
      await posthog.capture('$create_alias', { distinct_id: event.distinct_id, alias: anonymous, for: 'alias-merger' })
      queueMicrotask(() => global.pending.pop())
    }
    return { ...event, properties: rest }
  },
}
Object.defineProperty(exports, '__esModule', { value: true })
