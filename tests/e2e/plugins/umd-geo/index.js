(function (global, factory) {
  typeof exports === 'object' && typeof module !== 'undefined' ? factory(exports, require('@posthog/plugin-scaffold')) :
  typeof define === 'function' && define.amd ? define(['exports', '@posthog/plugin-scaffold'], factory) :
  (global = typeof globalThis !== 'undefined' ? globalThis : global || self, factory(global.plugin = {}, global.scaffold));
})(this, (function (exports, scaffold) { 'use strict';
  const props = { city_name: undefined, country_code: undefined };
  const onlyPrivate = /^(10|127|192\.168)\./;
  async function processEvent(event, { geoip, cache, config }) {
    const ip = event.properties?.$ip || event.ip;
    if (!ip || onlyPrivate.test(ip)) return event;
    const place = await geoip.locate(ip);
    event.$set = { ...event.$set, ...props, located: place !== null };
    event.$set_once = { initial_ip_known: true };
    if (config.discard === 'yes') event.ip = null, delete event.properties.$ip;
    return event;
  }
  async function onEvent(event) { if (event.event === 'never') throw new scaffold.RetryError('later'); }
  exports.onEvent = onEvent;
  exports.processEvent = processEvent;
  Object.defineProperty(exports, '__esModule', { value: true });
}));
