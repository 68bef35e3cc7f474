// URL, URLSearchParams and Node's older `url` module: read by prelude.js when an app first asks for
// one of them. `ascii` turns a domain's name into its ASCII form (undefined: it is none). The first
// part follows the URL standard of the browsers, so that an app sees what it saw in Node.
(function (tools) {
  "use strict";
  const { ascii, utf8, textOf } = tools;

  const PORTS = { "http:": 80, "https:": 443, "ws:": 80, "wss:": 443, "ftp:": 21, "file:": null };
  const special = (url) => Object.hasOwn(PORTS, url.protocol);

  // ---- Percent encoding ----

  const FRAGMENT = ' "<>`', QUERY = ' "#<>', SPECIAL_QUERY = QUERY + "'", PATH = QUERY + "?^`{}",
    USERINFO = PATH + "/:;=@[\\]|";
  const hex = (byte) => "%" + byte.toString(16).toUpperCase().padStart(2, "0");
  const encodeByte = (text) => Array.from(utf8(text), hex).join("");
  function encode(text, set) {
    if (/^[A-Za-z0-9\-._~%/]*$/.test(text)) return set === USERINFO ? text.replaceAll("/", "%2F") : text;
    let out = "";
    for (const c of text.isWellFormed() ? text : text.toWellFormed()) {
      out += c < "\x20" || c > "~" || set.includes(c) ? encodeByte(c) : c;
    }
    return out;
  }
  /** The bytes behind %41 and its like; what is no escape stays. */
  function decode(text) {
    if (!text.includes("%")) return text;
    try {
      return decodeURIComponent(text);
    } catch {
      const from = utf8(text), out = [];
      for (let i = 0; i < from.length; i++) {
        const two = from[i] === 37 ? String.fromCharCode(from[i + 1] ?? 0, from[i + 2] ?? 0) : "";
        if (/^[0-9a-f]{2}$/i.test(two)) {
          out.push(parseInt(two, 16));
          i += 2;
        } else {
          out.push(from[i]);
        }
      }
      return textOf(Uint8Array.from(out));
    }
  }

  // ---- Hosts ----

  function readV6(text) {
    const tail = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text);
    if (tail) {
      const [a, b, c, d] = tail.slice(2).map(Number);
      if (Math.max(a, b, c, d) > 255 || tail.slice(2).some((part) => part.length > 1 && part[0] === "0")) return null;
      text = tail[1] + ((a << 8) | b).toString(16) + ":" + ((c << 8) | d).toString(16);
    }
    const halves = text.split("::");
    if (halves.length > 2) return null;
    const [left, right] = halves.map((half) => (half === "" ? [] : half.split(":")));
    const count = left.length + (right?.length ?? 0);
    if (right ? count > 7 : count !== 8) return null;
    const all = right ? [...left, ...Array(8 - count).fill("0"), ...right] : left;
    if (!all.every((part) => /^[0-9a-f]{1,4}$/i.test(part))) return null;
    const words = all.map((part) => parseInt(part, 16).toString(16));
    let best = -1, length = 1;
    for (let i = 0; i < 8; i++) {
      let n = 0;
      while (words[i + n] === "0") n++;
      if (n > length) [best, length] = [i, n];
    }
    if (best < 0) return `[${words.join(":")}]`;
    return `[${words.slice(0, best).join(":")}::${words.slice(best + length).join(":")}]`;
  }

  const number = (text) => {
    if (text === "") return NaN;
    if (/^0x[0-9a-f]*$/i.test(text)) return text.length === 2 ? 0 : parseInt(text, 16);
    if (/^0[0-7]*$/.test(text)) return parseInt(text, 8);
    return /^\d+$/.test(text) ? Number(text) : NaN;
  };
  /** null: it looks like an IPv4 address and is none; undefined: it does not look like one. */
  function readV4(text) {
    const parts = text.split(".");
    if (parts.at(-1) === "" && parts.length > 1) parts.pop();
    const last = parts.at(-1);
    if (!/^\d+$/.test(last) && !/^0x[0-9a-f]*$/i.test(last)) return undefined;
    const numbers = parts.map(number);
    if (numbers.length > 4 || numbers.some(Number.isNaN)) return null;
    const end = numbers.pop();
    if (numbers.some((n) => n > 255) || end >= 256 ** (4 - numbers.length)) return null;
    let value = end;
    numbers.forEach((n, i) => { value += n * 256 ** (3 - i); });
    return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");
  }

  function readHost(text, isSpecial) {
    if (text.startsWith("[")) return text.endsWith("]") ? readV6(text.slice(1, -1)) : null;
    if (!isSpecial) return /[\0\t\n\r #/:<>?@[\\\]^|]/.test(text) ? null : encode(text, "");
    const name = decode(text);
    const host = /^[a-z0-9.-]*$/.test(name) && !/(^|\.)xn--/.test(name) ? name : ascii(name);
    if (!host || /[\0-\x20"#%/:<>?@[\\\]^`{|}\x7f]/.test(host)) return null;
    return readV4(host) ?? (readV4(host) === null ? null : host);
  }

  // ---- Reading ----

  const drive = (text) => /^[a-z][:|]$/i.test(text);
  function shorten(url) {
    if (url.protocol === "file:" && url.path.length === 1 && /^[a-z]:$/i.test(url.path[0])) return;
    url.path.pop();
  }
  function readPath(url, text) {
    const ours = special(url);
    if (!ours && text === "") return;
    const parts = (ours ? text.replaceAll("\\", "/") : text).replace(/^\//, "").split("/");
    parts.forEach((part, i) => {
      const last = i === parts.length - 1;
      if (/^(\.|%2e){2}$/i.test(part)) {
        shorten(url);
        if (last) url.path.push("");
      } else if (/^(\.|%2e)$/i.test(part)) {
        if (last) url.path.push("");
      } else {
        const named = url.protocol === "file:" && url.path.length === 0 && drive(part);
        url.path.push(named ? part[0] + ":" : encode(part, PATH));
      }
    });
  }
  function readPort(url, text) {
    if (!/^\d*$/.test(text) || Number(text) > 65535) return false;
    url.port = text === "" || Number(text) === PORTS[url.protocol] ? null : Number(text);
    return true;
  }
  /** [name, port or undefined] */
  const parted = (text) => {
    const found = /^(\[[^\]]*\]?[^:]*|[^:]*)(?::([^]*))?$/.exec(text);
    return [found[1], found[2]];
  };
  function readAuthority(url, text) {
    const end = text.search(special(url) ? /[/\\]/ : /\//);
    const all = end < 0 ? text : text.slice(0, end);
    const at = all.lastIndexOf("@");
    if (at >= 0) {
      const [, name, , secret = ""] = /^([^:]*)(:([^]*))?$/.exec(all.slice(0, at));
      url.username = encode(name, USERINFO);
      url.password = encode(secret, USERINFO);
    }
    const [name, port] = parted(all.slice(at + 1));
    if (name === "" && (special(url) || at >= 0 || port !== undefined)) return null;
    url.host = name === "" ? "" : readHost(name, special(url));
    if (url.host === null || !readPort(url, port ?? "")) return null;
    readPath(url, end < 0 ? "" : text.slice(end));
    return url;
  }
  const take = (url, base, names) => {
    for (const name of names) url[name] = name === "path" ? [...base.path] : base[name];
  };
  function readFile(url, text, base, query) {
    url.host = "";
    if (/^[/\\]{2}/.test(text)) {
      const [, name, rest] = /^([^/\\]*)([^]*)$/.exec(text.slice(2));
      if (drive(name)) {
        readPath(url, text.slice(2));
        return url;
      }
      const host = name === "" ? "" : readHost(name, true);
      if (host === null) return null;
      url.host = host === "localhost" ? "" : host;
      readPath(url, rest);
      return url;
    }
    if (base?.protocol === "file:") {
      url.host = base.host;
      if (!/^[/\\]/.test(text)) {
        take(url, base, ["path"]);
        if (text === "") {
          if (query === null) url.query = base.query;
          return url;
        }
        if (drive(text.slice(0, 2)) && !/^[^/\\]/.test(text.slice(2))) url.path = [];
        else shorten(url);
      }
    }
    readPath(url, text);
    return url;
  }
  function readRelative(url, text, base, query) {
    url.protocol = base.protocol;
    const slash = special(url) ? /^[/\\]/ : /^\//;
    if (slash.test(text)) {
      if (slash.test(text.slice(1))) return readAuthority(url, special(url) ? text.replace(/^[/\\]+/, "") : text.slice(2));
      take(url, base, ["username", "password", "host", "port"]);
      readPath(url, text);
      return url;
    }
    take(url, base, ["username", "password", "host", "port", "path"]);
    if (text === "") {
      if (query === null) url.query = base.query;
      return url;
    }
    shorten(url);
    readPath(url, text);
    return url;
  }
  const setQuery = (url, text) => { url.query = encode(text, special(url) ? SPECIAL_QUERY : QUERY); };

  /** What the text says, or null: an invalid URL. `path` is a list, or a text where nothing is in order. */
  function read(input, base) {
    const all = String(input).replace(/^[\0-\x20]+|[\0-\x20]+$/g, "").replace(/[\t\n\r]/g, "");
    const [, before, , fragment = null] = /^([^#]*)(#([^]*))?$/.exec(all);
    const [, text, , query = null] = /^([^?]*)(\?([^]*))?$/.exec(before);
    const url = { protocol: "", username: "", password: "", host: null, port: null, path: [], query: null, fragment: null };
    const scheme = /^([a-z][a-z0-9+.-]*:)([^]*)$/i.exec(text);
    let done;
    if (scheme) {
      url.protocol = scheme[1].toLowerCase();
      const rest = scheme[2];
      if (url.protocol === "file:") {
        done = readFile(url, rest, base, query);
      } else if (special(url)) {
        done = base?.protocol === url.protocol && !/^[/\\]{2}/.test(rest) ? readRelative(url, rest, base, query) :
          readAuthority(url, rest.replace(/^[/\\]+/, ""));
      } else if (rest.startsWith("//")) {
        done = readAuthority(url, rest.slice(2));
      } else if (rest.startsWith("/")) {
        readPath(url, rest);
        done = url;
      } else {
        url.path = encode(rest, "");
        done = url;
      }
    } else if (!base) {
      return null;
    } else if (typeof base.path === "string") {
      if (text !== "" || query !== null || fragment === null) return null;
      Object.assign(url, base);
      done = url;
    } else if (base.protocol === "file:") {
      url.protocol = "file:";
      done = readFile(url, text, base, query);
    } else {
      done = readRelative(url, text, base, query);
    }
    if (!done) return null;
    if (query !== null) setQuery(url, query);
    url.fragment = fragment === null ? null : encode(fragment, FRAGMENT);
    return url;
  }

  const pathOf = (url) => typeof url.path === "string" ? url.path : url.path.map((part) => "/" + part).join("");
  const hostOf = (url) => (url.host ?? "") + (url.port === null ? "" : ":" + url.port);
  function written(url) {
    const user = url.username || url.password ? url.username + (url.password ? ":" + url.password : "") + "@" : "";
    const dots = url.host === null && Array.isArray(url.path) && url.path.length > 1 && url.path[0] === "" ? "/." : "";
    return url.protocol + (url.host === null ? dots : "//" + user + hostOf(url)) + pathOf(url) +
      (url.query === null ? "" : "?" + url.query) + (url.fragment === null ? "" : "#" + url.fragment);
  }

  // ---- URLSearchParams ----

  const decodePart = (text) => decode(text.replaceAll("+", " "));
  const encodePart = (text) => text.replace(/[^A-Za-z0-9*\-._]/gu, (c) => (c === " " ? "+" : encodeByte(c)));
  const pairsOf = (text) => text.split("&").filter(Boolean).map((part) => {
    const at = part.indexOf("=");
    return at < 0 ? [decodePart(part), ""] : [decodePart(part.slice(0, at)), decodePart(part.slice(at + 1))];
  });
  let link, fill;

  class URLSearchParams {
    #pairs = [];
    #changed = () => {};
    static {
      link = (params, changed) => { params.#changed = changed; };
      fill = (params, text) => { params.#pairs = pairsOf(text); };
    }
    constructor(init) {
      if (init === undefined || init === null) return;
      if (typeof init === "object" || typeof init === "function") {
        const list = typeof init[Symbol.iterator] === "function" ? init : Object.entries(init);
        for (const pair of list) {
          const both = [...pair];
          if (both.length !== 2) throw new TypeError("Each query pair must be an iterable [name, value] tuple");
          this.#pairs.push(both.map(String));
        }
      } else {
        this.#pairs = pairsOf(String(init).replace(/^\?/, ""));
      }
    }
    get size() { return this.#pairs.length; }
    append(key, value) { this.#pairs.push([String(key), String(value)]); this.#changed(); }
    delete(key, value) {
      this.#pairs = this.#pairs.filter(([k, v]) => k !== String(key) || (value !== undefined && v !== String(value)));
      this.#changed();
    }
    get(key) { return this.#pairs.find(([k]) => k === String(key))?.[1] ?? null; }
    getAll(key) { return this.#pairs.filter(([k]) => k === String(key)).map(([, v]) => v); }
    has(key, value) {
      return this.#pairs.some(([k, v]) => k === String(key) && (value === undefined || v === String(value)));
    }
    set(key, value) {
      const at = this.#pairs.findIndex(([k]) => k === String(key));
      if (at < 0) return this.append(key, value);
      this.#pairs = this.#pairs.filter(([k], i) => i <= at || k !== String(key));
      this.#pairs[at] = [String(key), String(value)];
      this.#changed();
    }
    sort() { this.#pairs.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)); this.#changed(); }
    forEach(visit, self) { for (const [key, value] of this) visit.call(self, value, key, this); }
    *entries() { for (let i = 0; i < this.#pairs.length; i++) yield [...this.#pairs[i]]; }
    *keys() { for (const [key] of this) yield key; }
    *values() { for (const [, value] of this) yield value; }
    [Symbol.iterator]() { return this.entries(); }
    toString() { return this.#pairs.map(([k, v]) => `${encodePart(k)}=${encodePart(v)}`).join("&"); }
    get [Symbol.toStringTag]() { return "URLSearchParams"; }
  }

  // ---- URL ----

  class URL {
    #url;
    #params;
    constructor(input, base) {
      const from = base === undefined ? null : read(base, null);
      this.#url = base !== undefined && !from ? null : read(input, from);
      if (this.#url) return;
      const error = new TypeError("Invalid URL");
      error.code = "ERR_INVALID_URL";
      error.input = String(input);
      if (base !== undefined) error.base = String(base);
      throw error;
    }
    static canParse(input, base) { return URL.parse(input, base) !== null; }
    static parse(input, base) {
      try {
        return new URL(input, base);
      } catch {
        return null;
      }
    }
    #named() { return this.#url.host !== null && this.#url.host !== "" && this.#url.protocol !== "file:"; }
    #refill() { if (this.#params) fill(this.#params, this.#url.query ?? ""); }
    get href() { return written(this.#url); }
    set href(v) {
      this.#url = new URL(v).#url;
      this.#refill();
    }
    get origin() {
      const url = this.#url;
      if (url.protocol === "blob:") {
        const inner = read(pathOf(url), null);
        return inner && /^https?:$/.test(inner.protocol) ? `${inner.protocol}//${hostOf(inner)}` : "null";
      }
      return special(url) && url.protocol !== "file:" ? `${url.protocol}//${hostOf(url)}` : "null";
    }
    get protocol() { return this.#url.protocol; }
    set protocol(v) {
      const found = /^([a-z][a-z0-9+.-]*)(:|$)/i.exec(String(v));
      const protocol = found ? found[1].toLowerCase() + ":" : "";
      if (!found || Object.hasOwn(PORTS, protocol) !== special(this.#url)) return;
      if (protocol === "file:" && (this.#url.username || this.#url.password || this.#url.port !== null)) return;
      if (this.#url.protocol === "file:" && this.#url.host === "") return;
      this.#url.protocol = protocol;
      if (this.#url.port === PORTS[protocol]) this.#url.port = null;
    }
    get username() { return this.#url.username; }
    set username(v) { if (this.#named()) this.#url.username = encode(String(v), USERINFO); }
    get password() { return this.#url.password; }
    set password(v) { if (this.#named()) this.#url.password = encode(String(v), USERINFO); }
    get host() { return hostOf(this.#url); }
    set host(v) {
      const [name, port] = parted(/^[^/?#\\]*/.exec(String(v))[0]);
      this.#rename(name);
      const digits = /^\d+/.exec(port ?? "");
      if (digits) this.port = digits[0];
    }
    get hostname() { return this.#url.host ?? ""; }
    set hostname(v) {
      const [name, port] = parted(/^[^/?#\\]*/.exec(String(v))[0]);
      if (port === undefined) this.#rename(name);
    }
    #rename(name) {
      if (typeof this.#url.path === "string" || (name === "" && special(this.#url))) return;
      this.#url.host = (name === "" ? "" : readHost(name, special(this.#url))) ?? this.#url.host;
    }
    get port() { return this.#url.port === null ? "" : String(this.#url.port); }
    set port(v) {
      if (!this.#named()) return;
      const digits = /^\d+/.exec(String(v));
      if (String(v) === "") this.#url.port = null;
      else if (digits) readPort(this.#url, digits[0]);
    }
    get pathname() { return pathOf(this.#url); }
    set pathname(v) {
      if (typeof this.#url.path === "string") return;
      this.#url.path = [];
      readPath(this.#url, String(v));
    }
    get search() { return this.#url.query ? "?" + this.#url.query : ""; }
    set search(v) {
      if (String(v) === "") this.#url.query = null;
      else setQuery(this.#url, String(v).replace(/^\?/, ""));
      this.#refill();
    }
    get searchParams() {
      if (!this.#params) {
        this.#params = new URLSearchParams(this.#url.query ?? "");
        link(this.#params, () => { this.#url.query = this.#params.toString() || null; });
      }
      return this.#params;
    }
    get hash() { return this.#url.fragment ? "#" + this.#url.fragment : ""; }
    set hash(v) { this.#url.fragment = String(v) === "" ? null : encode(String(v).replace(/^#/, ""), FRAGMENT); }
    toString() { return this.href; }
    toJSON() { return this.href; }
    get [Symbol.toStringTag]() { return "URL"; }
  }
  for (const name of ["href", "origin", "protocol", "username", "password", "host", "hostname", "port", "pathname",
    "search", "searchParams", "hash", "toString", "toJSON"]) {
    Object.defineProperty(URL.prototype, name, { enumerable: true });
  }

  // ---- Node's `url` ----

  const SLASHED = ["http", "https", "ftp", "gopher", "file", "ws", "wss"];
  function queryOf(text) {
    const out = Object.create(null);
    for (const [key, value] of pairsOf(text)) {
      out[key] = key in out ? [out[key], value].flat() : value;
    }
    return out;
  }
  function parse(text, withQuery = false, slashesDenoteHost = false) {
    if (typeof text !== "string") throw new TypeError('The "url" argument must be of type string.');
    const out = { protocol: null, slashes: null, auth: null, host: null, port: null, hostname: null, hash: null,
      search: null, query: null, pathname: null, path: null, href: text };
    const trimmed = text.trim();
    const turned = trimmed.replace(/^[^?#]*/, (part) => part.replaceAll("\\", "/"));
    const [, scheme, rest] = /^(?:([a-z0-9.+-]+):)?([^]*)$/i.exec(turned);
    let left = rest;
    if (scheme) out.protocol = scheme.toLowerCase() + ":";
    const slashes = left.startsWith("//") && (slashesDenoteHost || scheme || /^\/\/[^@/]+@[^@/]+/.test(left));
    if (slashes && out.protocol !== "javascript:") {
      out.slashes = true;
      left = left.slice(2);
    }
    if (out.protocol !== "javascript:" && (slashes || (scheme && !SLASHED.includes(scheme.toLowerCase())))) {
      const authority = /^[^/?#]*/.exec(left)[0];
      const at = authority.lastIndexOf("@");
      if (at >= 0) out.auth = decode(authority.slice(0, at));
      const from = left.slice(at + 1);
      const [, name, port] = /^(\[[^\]]*\]|[^\t\n\r "#%/:;<>?@\\^`{|}']*)(?::(\d*))?/.exec(from);
      const after = from.slice(name.length + (port === undefined ? 0 : port.length + 1));
      out.port = port || null;
      const bare = name.startsWith("[") ? name.slice(1, -1) : name;
      out.hostname = (/[^\0-\x7f]/.test(bare) ? ascii(bare) ?? bare : bare).toLowerCase();
      out.host = (name.startsWith("[") ? `[${out.hostname}]` : out.hostname) + (out.port ? ":" + out.port : "");
      left = after;
    }
    if (out.protocol !== "javascript:") {
      left = left.replace(/[\t\n\r "'<>\\^`{|}]/g, (c) => hex(c.charCodeAt(0)));
      const [, path, search, hash] = /^([^?#]*)(\?[^#]*)?(#[^]*)?$/.exec(left);
      out.hash = hash ?? null;
      out.search = search ?? null;
      out.query = search === undefined ? null : search.slice(1);
      if (path) out.pathname = path;
      else if (out.hostname && SLASHED.includes(scheme?.toLowerCase())) out.pathname = "/";
    } else {
      out.pathname = left;
    }
    if (withQuery) out.query = queryOf(out.search?.slice(1) ?? "");
    if (out.pathname || out.search) out.path = (out.pathname ?? "") + (out.search ?? "");
    out.href = format(out);
    return out;
  }
  function format(url) {
    if (typeof url === "string") return parse(url).href;
    if (url instanceof URL) return url.href;
    const protocol = url.protocol ? String(url.protocol).replace(/:*$/, ":") : "";
    const auth = url.auth ? encodeURIComponent(url.auth).replace(/%3A/i, ":") + "@" : "";
    const name = url.hostname?.includes(":") ? `[${url.hostname}]` : url.hostname;
    const host = url.host ? auth + url.host : name ? auth + name + (url.port ? ":" + url.port : "") : null;
    const query = url.query && typeof url.query === "object" ? Object.entries(url.query).flatMap(([key, value]) =>
      [value].flat().map((one) => `${encodeURIComponent(key)}=${encodeURIComponent(one)}`)).join("&") : "";
    let search = url.search || (query ? "?" + query : "");
    if (search && !search.startsWith("?")) search = "?" + search;
    let path = String(url.pathname ?? "").replace(/[?#]/g, encodeURIComponent);
    const slashed = url.slashes || (protocol && SLASHED.includes(protocol.slice(0, -1)) && host !== null);
    if (slashed && path && !path.startsWith("/")) path = "/" + path;
    const hash = url.hash ? String(url.hash).replace(/^(?!#)/, "#") : "";
    return protocol + (slashed ? "//" + (host ?? "") : host ?? "") + path + search.replaceAll("#", "%23") + hash;
  }
  function resolve(from, to) {
    const made = URL.parse(to, URL.parse(from, "resolve://") ?? "resolve://");
    if (!made) return to;
    return made.protocol === "resolve:" ? made.pathname.replace(/^\/(?!\/)/, from.startsWith("/") ? "/" : "") +
      made.search + made.hash : made.href;
  }

  return { URL, URLSearchParams, module: { URL, URLSearchParams, parse, format, resolve,
    domainToASCII: (name) => ascii(String(name)) ?? "" } };
})
