// Intl, and what toLocaleString and its like do: read by prelude.js when an app first asks for it.
// The knowledge is ICU's (src/apps/script/intl.cc, intl_words.cc).
(function (tools) {
  "use strict";
  const { native } = tools;

  const localeOf = (locales) => String((Array.isArray(locales) ? locales[0] : locales) ?? "en-US");
  const joined = (parts) => parts.map(([, text]) => text).join("");
  const named = (parts) => parts.map(([type, value]) => ({ type, value }));

  /** What all of them have in common; `made` tells what was asked wrongly at once. */
  class Format {
    constructor(locales, options) {
      this.locale = localeOf(locales);
      this.options = JSON.stringify(options ?? {});
    }
    resolvedOptions() { return { locale: this.locale, ...this.defaults, ...JSON.parse(this.options) }; }
    static supportedLocalesOf(locales) { return [locales ?? []].flat(); }
  }
  const hidden = (self, values) => {
    for (const [name, value] of Object.entries(values)) Object.defineProperty(self, name, { value, enumerable: false });
  };

  class NumberFormat extends Format {
    constructor(locales, options) {
      super(locales, options);
      native.number(this.locale, this.options, 0);
      hidden(this, { defaults: { numberingSystem: "latn", style: "decimal" },
        format: (value) => joined(native.number(this.locale, this.options, Number(value))) });
    }
    formatToParts(value) { return named(native.number(this.locale, this.options, Number(value))); }
  }
  class DateTimeFormat extends Format {
    constructor(locales, options) {
      super(locales, options);
      native.date(this.locale, this.options, 0);
      hidden(this, { defaults: { calendar: "gregory", numberingSystem: "latn", timeZone: "UTC" },
        format: (date) => joined(this.#parts(date)) });
    }
    #parts(date) {
      const ms = date === undefined ? Date.now() : Number(date);
      if (!Number.isFinite(ms)) throw new RangeError("Invalid time value");
      return native.date(this.locale, this.options, ms);
    }
    formatToParts(date) { return named(this.#parts(date)); }
    formatRange(from, to) {
      const [a, b] = [this.format(from), this.format(to)];
      return a === b ? a : `${a} – ${b}`;
    }
  }
  class Collator extends Format {
    constructor(locales, options) {
      super(locales, options);
      native.compare(this.locale, this.options, "", "");
      hidden(this, { defaults: { usage: "sort", sensitivity: "variant", ignorePunctuation: false, numeric: false },
        compare: (a, b) => native.compare(this.locale, this.options, String(a), String(b)) });
    }
  }
  class DisplayNames extends Format {
    constructor(locales, options) {
      if (!options?.type) throw new TypeError("Required option \"type\" must not be undefined");
      super(locales, options);
      native.display_name(this.locale, this.options, "en");
      hidden(this, { fallback: options.fallback ?? "code", defaults: { style: "long", fallback: "code" } });
    }
    of(code) {
      const name = native.display_name(this.locale, this.options, String(code));
      return name || (this.fallback === "code" ? String(code) : undefined);
    }
  }
  class PluralRules extends Format {
    constructor(locales, options) {
      super(locales, options);
      native.plural(this.locale, this.options, 0);
      hidden(this, { defaults: { type: "cardinal" } });
    }
    select(value) { return native.plural(this.locale, this.options, Number(value)); }
  }
  class RelativeTimeFormat extends Format {
    constructor(locales, options) {
      super(locales, options);
      native.ago(this.locale, this.options, 0, "day");
      hidden(this, { defaults: { style: "long", numeric: "always", numberingSystem: "latn" } });
    }
    format(value, unit) { return native.ago(this.locale, this.options, Number(value), String(unit)); }
  }
  class ListFormat extends Format {
    constructor(locales, options) {
      super(locales, options);
      native.list(this.locale, this.options);
      hidden(this, { defaults: { type: "conjunction", style: "long" } });
    }
    format(words) { return native.list(this.locale, this.options, ...Array.from(words, String)); }
  }
  class Locale {
    constructor(tag) {
      const [language, ...rest] = String(tag).split("-");
      native.compare(String(tag), "{}", "", "");
      this.baseName = String(tag);
      this.language = language.toLowerCase();
      this.script = rest.find((one) => one.length === 4);
      this.region = rest.find((one) => /^([a-z]{2}|\d{3})$/i.test(one))?.toUpperCase();
    }
    toString() { return this.baseName; }
  }
  /** Those of old may be called without `new`. */
  const callable = (made) => new Proxy(made, { apply: (target, _, args) => new target(...args) });

  const FIELDS = { date: ["weekday", "year", "month", "day", "dateStyle"],
    time: ["hour", "minute", "second", "fractionalSecondDigits", "dayPeriod", "timeStyle"] };
  const DEFAULTS = { date: { year: "numeric", month: "numeric", day: "numeric" },
    time: { hour: "numeric", minute: "2-digit", second: "2-digit" } };
  /** With the fields that a method shows when nobody asks for any of them. */
  function dateText(date, locales, options, kinds) {
    if (Number.isNaN(date.getTime())) return "Invalid Date";
    const asked = kinds.some((kind) => FIELDS[kind].some((field) => options?.[field] !== undefined));
    const defaults = asked ? {} : Object.assign({}, ...kinds.map((kind) => DEFAULTS[kind]));
    return joined(native.date(localeOf(locales), JSON.stringify({ ...defaults, ...options }), date.getTime()));
  }

  return { dateText,
    numberText: (value, locales, options) => joined(native.number(localeOf(locales), JSON.stringify(options ?? {}), Number(value))),
    compare: (a, b, locales, options) => native.compare(localeOf(locales), JSON.stringify(options ?? {}), String(a), String(b)),
    Intl: { NumberFormat: callable(NumberFormat), DateTimeFormat: callable(DateTimeFormat), Collator: callable(Collator), DisplayNames,
      PluralRules, RelativeTimeFormat, ListFormat, Locale, getCanonicalLocales: (locales) => [locales ?? []].flat().map(String) } };
})
