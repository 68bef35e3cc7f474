// What an app finds in its world, and what the worker calls: runs in every app's own runtime before
// the app does. `native` holds the worker's functions (src/apps/script/vm_functions.cc); apps never
// get hold of it. Behaviour follows PostHog's plugin server.
(function (native) {
  "use strict";

  const spec = native.spec();
  const KNOWN = ["setupPlugin", "teardownPlugin", "processEvent", "processEventBatch", "onEvent",
    "onAction", "onSnapshot", "exportEvents", "composeWebhook", "getSettings", "runEveryMinute",
    "runEveryHour", "runEveryDay", "jobs", "metrics"];
  const CALLED = KNOWN.filter((name) => !["jobs", "metrics"].includes(name) && !name.startsWith("runEvery"));
  const TICKS = ["runEveryMinute", "runEveryHour", "runEveryDay"];

  class RetryError extends Error {
    constructor(message) {
      super(message);
      this.name = "RetryError";
    }
  }
  class IllegalOperationError extends Error {
    constructor(message) {
      super(message);
      this.name = "IllegalOperationError";
    }
  }

  // ---- Calls to the worker ----

  async function host(op, args, bytes) {
    return (await native.call(op, JSON.stringify(args ?? {}), bytes)).value;
  }
  function settled(settle, ok, value, bytes) {
    if (ok) return settle({ value, bytes });
    const [, name, message] = /^(\w+Error): ([^]*)$/.exec(value) ?? [null, "Error", value];
    const error = name === "IllegalOperationError" ? new IllegalOperationError(message) : new Error(message);
    error.name = name;
    settle(error);
  }

  // ---- Bytes ----

  const exact = (view) => view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength);
  const utf8 = (text) => new Uint8Array(native.encode(String(text)));
  const textOf = (view) => native.decode(view.buffer, view.byteOffset, view.byteLength);
  const hexOf = (view) => Array.from(view, (b) => b.toString(16).padStart(2, "0")).join("");

  function bytesFrom(value, encoding = "utf8") {
    if (typeof value === "string") {
      switch (String(encoding).toLowerCase()) {
        case "base64": case "base64url": return new Uint8Array(native.unbase64(value));
        case "hex": {
          const pairs = value.match(/^(?:[0-9a-f]{2})*/i)[0].match(/../g) ?? [];
          return Uint8Array.from(pairs, (pair) => parseInt(pair, 16));
        }
        case "latin1": case "binary": case "ascii":
          return Uint8Array.from(value, (c) => c.charCodeAt(0));
        case "utf16le": case "ucs2": case "utf-16le": case "ucs-2": {
          const out = new Uint8Array(value.length * 2);
          for (let i = 0; i < value.length; i++) {
            out[2 * i] = value.charCodeAt(i) & 255;
            out[2 * i + 1] = value.charCodeAt(i) >> 8;
          }
          return out;
        }
        default: return utf8(value);
      }
    }
    if (value instanceof ArrayBuffer) return new Uint8Array(value);
    if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    if (value && value.type === "Buffer" && Array.isArray(value.data)) return Uint8Array.from(value.data);
    if (value == null) throw new TypeError("expected a string, a Buffer or a typed array");
    return Uint8Array.from(value);
  }

  class Buffer extends Uint8Array {
    static from(value, encoding, length) {
      if (value instanceof ArrayBuffer) return new Buffer(value, encoding, length);
      const bytes = bytesFrom(value, encoding);
      return new Buffer(exact(bytes));
    }
    static alloc(size, fill = 0, encoding) {
      const out = new Buffer(size);
      return fill ? out.fill(fill, 0, size, encoding) : out;
    }
    static allocUnsafe(size) { return new Buffer(size); }
    static isBuffer(value) { return value instanceof Buffer; }
    static isEncoding(name) {
      return ["utf8", "utf-8", "hex", "base64", "base64url", "latin1", "binary", "ascii", "utf16le", "ucs2"]
        .includes(String(name).toLowerCase());
    }
    static byteLength(value, encoding) { return bytesFrom(value, encoding).byteLength; }
    static concat(list, total) {
      const size = total ?? list.reduce((sum, part) => sum + part.length, 0);
      const out = new Buffer(size);
      let at = 0;
      for (const part of list) {
        if (at >= size) break;
        out.set(part.subarray(0, size - at), at);
        at += part.length;
      }
      return out;
    }
    static compare(a, b) {
      for (let i = 0; i < Math.min(a.length, b.length); i++) if (a[i] !== b[i]) return a[i] < b[i] ? -1 : 1;
      return Math.sign(a.length - b.length);
    }
    toString(encoding = "utf8", start = 0, end = this.length) {
      const view = this.subarray(start, end);
      switch (String(encoding).toLowerCase()) {
        case "hex": return hexOf(view);
        case "base64": return native.base64(view.buffer, view.byteOffset, view.byteLength);
        case "base64url":
          return native.base64(view.buffer, view.byteOffset, view.byteLength).replace(/\+/g, "-")
            .replace(/\//g, "_").replace(/=+$/, "");
        case "latin1": case "binary": return Array.from(view, (b) => String.fromCharCode(b)).join("");
        case "ascii": return Array.from(view, (b) => String.fromCharCode(b & 127)).join("");
        case "utf16le": case "ucs2": {
          let out = "";
          for (let i = 0; i + 1 < view.length; i += 2) out += String.fromCharCode(view[i] | (view[i + 1] << 8));
          return out;
        }
        default: return textOf(view);
      }
    }
    toJSON() { return { type: "Buffer", data: Array.from(this) }; }
    equals(other) { return Buffer.compare(this, other) === 0; }
    compare(other) { return Buffer.compare(this, other); }
    slice(start, end) { return this.subarray(start, end); }
    write(text, offset = 0) {
      const bytes = bytesFrom(text).subarray(0, this.length - offset);
      this.set(bytes, offset);
      return bytes.length;
    }
    fill(value, start = 0, end = this.length, encoding) {
      if (typeof value === "number") return super.fill(value, start, end);
      const bytes = bytesFrom(value, encoding);
      for (let i = start; i < end && bytes.length; i++) this[i] = bytes[(i - start) % bytes.length];
      return this;
    }
    copy(target, at = 0, start = 0, end = this.length) {
      const part = this.subarray(start, Math.min(end, start + target.length - at));
      target.set(part, at);
      return part.length;
    }
    indexOf(value, from = 0) {
      if (typeof value === "number") return super.indexOf(value, from);
      const wanted = bytesFrom(value);
      outer: for (let i = from; i + wanted.length <= this.length; i++) {
        for (let j = 0; j < wanted.length; j++) if (this[i + j] !== wanted[j]) continue outer;
        return i;
      }
      return -1;
    }
    includes(value, from) { return this.indexOf(value, from) >= 0; }
  }
  for (const [name, method, size] of [["UInt8", "Uint8", 1], ["Int8", "Int8", 1], ["UInt16", "Uint16", 2],
    ["Int16", "Int16", 2], ["UInt32", "Uint32", 4], ["Int32", "Int32", 4], ["Float", "Float32", 4],
    ["Double", "Float64", 8], ["BigUInt64", "BigUint64", 8], ["BigInt64", "BigInt64", 8]]) {
    for (const [end, little] of size === 1 ? [["", true]] : [["LE", true], ["BE", false]]) {
      const view = (buffer) => new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
      Buffer.prototype[`read${name}${end}`] = function (at = 0) { return view(this)[`get${method}`](at, little); };
      Buffer.prototype[`write${name}${end}`] = function (value, at = 0) {
        view(this)[`set${method}`](at, value, little);
        return at + size;
      };
    }
  }
  const buffer = (arrayBuffer) => new Buffer(arrayBuffer);

  class TextEncoder {
    get encoding() { return "utf-8"; }
    encode(text = "") { return utf8(text); }
  }
  class TextDecoder {
    constructor(label = "utf-8") { this.encoding = String(label).toLowerCase(); }
    decode(bytes) {
      if (bytes === undefined) return "";
      const text = textOf(bytesFrom(bytes));
      return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
    }
  }
  const btoa = (text) => {
    for (const c of String(text)) if (c.charCodeAt(0) > 255) throw new Error("The string contains invalid characters");
    return Buffer.from(String(text), "latin1").toString("base64");
  };
  const atob = (text) => Buffer.from(String(text), "base64").toString("latin1");

  // ---- URL ----

  const decodePart = (text) => {
    try {
      return decodeURIComponent(text.replace(/\+/g, " "));
    } catch {
      return text;
    }
  };
  const encodePart = (text) => encodeURIComponent(text).replace(/%20/g, "+")
    .replace(/[!'()~]/g, (c) => "%" + c.charCodeAt(0).toString(16).toUpperCase());

  class URLSearchParams {
    #pairs = [];
    #changed = () => {};
    constructor(init = "", changed) {
      if (changed) this.#changed = changed;
      if (typeof init === "string") {
        for (const part of init.replace(/^\?/, "").split("&")) {
          if (part === "") continue;
          const at = part.indexOf("=");
          this.#pairs.push(at < 0 ? [decodePart(part), ""] : [decodePart(part.slice(0, at)), decodePart(part.slice(at + 1))]);
        }
      } else if (init && typeof init[Symbol.iterator] === "function") {
        for (const [key, value] of init) this.#pairs.push([String(key), String(value)]);
      } else {
        for (const key of Object.keys(init ?? {})) this.#pairs.push([key, String(init[key])]);
      }
    }
    get size() { return this.#pairs.length; }
    append(key, value) { this.#pairs.push([String(key), String(value)]); this.#changed(); }
    delete(key) { this.#pairs = this.#pairs.filter(([k]) => k !== String(key)); this.#changed(); }
    get(key) { return this.#pairs.find(([k]) => k === String(key))?.[1] ?? null; }
    getAll(key) { return this.#pairs.filter(([k]) => k === String(key)).map(([, v]) => v); }
    has(key) { return this.#pairs.some(([k]) => k === String(key)); }
    set(key, value) {
      const at = this.#pairs.findIndex(([k]) => k === String(key));
      if (at < 0) return this.append(key, value);
      this.#pairs = this.#pairs.filter(([k], i) => i === at || k !== String(key));
      this.#pairs[at] = [String(key), String(value)];
      this.#changed();
    }
    sort() { this.#pairs.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)); this.#changed(); }
    forEach(visit, self) { for (const [key, value] of this.#pairs) visit.call(self, value, key, this); }
    keys() { return this.#pairs.map(([k]) => k).values(); }
    values() { return this.#pairs.map(([, v]) => v).values(); }
    entries() { return this.#pairs.map((pair) => [...pair]).values(); }
    [Symbol.iterator]() { return this.entries(); }
    toString() { return this.#pairs.map(([k, v]) => `${encodePart(k)}=${encodePart(v)}`).join("&"); }
  }

  const PORTS = { "http:": "80", "https:": "443", "ws:": "80", "wss:": "443", "ftp:": "21" };
  const escapeIn = (text, set) => Array.from(text, (c) =>
    (set.includes(c) || c <= " " || c > "~") ? encodeURIComponent(c) : c).join("");

  function simplePath(path) {
    const out = [];
    const parts = path.split("/").slice(1);
    parts.forEach((part, i) => {
      const last = i === parts.length - 1;
      if (/^(\.|%2e)$/i.test(part)) {
        if (last) out.push("");
      } else if (/^(\.|%2e){2}$/i.test(part)) {
        out.pop();
        if (last) out.push("");
      } else {
        out.push(part);
      }
    });
    return "/" + out.join("/");
  }

  class URL {
    #parts;
    #params;
    constructor(input, base) {
      const text = String(input).replace(/^[\0-\x20]+|[\0-\x20]+$/g, "").replace(/[\t\n\r]/g, "");
      this.#parts = URL.#read(text, base === undefined ? null : new URL(base));
      if (!this.#parts) {
        const error = new TypeError("Invalid URL: " + text);
        error.code = "ERR_INVALID_URL";
        error.input = text;
        throw error;
      }
    }
    static canParse(input, base) {
      try {
        return Boolean(new URL(input, base));
      } catch {
        return false;
      }
    }
    static #read(text, base) {
      const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(text);
      if (!scheme) {
        if (!base) return null;
        const parts = { ...base.#parts };
        const [, path, query, hash] = /^([^?#]*)(\?[^#]*)?(#[^]*)?$/.exec(text);
        if (path.startsWith("//")) return URL.#read(parts.protocol + text, null);
        if (path) {
          const folder = parts.pathname.replace(/[^/]*$/, "");
          parts.pathname = simplePath(escapeIn(path.startsWith("/") ? path : folder + path, ' "<>`{}'));
        }
        if (path || query !== undefined) parts.search = query && query !== "?" ? escapeIn(query, ' "<>\'') : "";
        parts.hash = hash && hash !== "#" ? escapeIn(hash, ' "<>`') : "";
        return parts;
      }
      const protocol = scheme[1].toLowerCase() + ":";
      const rest = text.slice(scheme[0].length);
      if (!(protocol in PORTS)) {
        const [, path, query, hash] = /^([^?#]*)(\?[^#]*)?(#[^]*)?$/.exec(rest);
        return { protocol, username: "", password: "", hostname: "", port: "", pathname: path,
          search: query && query !== "?" ? query : "", hash: hash && hash !== "#" ? hash : "", opaque: true };
      }
      const found = /^[\\/]*(?:([^@/?#\\]*)@)?(\[[0-9a-f:.]+\]|[^:/?#\\]*)(?::(\d*))?([\\/][^?#]*)?(\?[^#]*)?(#[^]*)?$/i.exec(rest);
      if (!found) return null;
      const [, user, name, port, path, query, hash] = found;
      let hostname;
      try {
        hostname = decodeURIComponent(name).toLowerCase();
      } catch {
        return null;
      }
      if (!hostname || /[\0-\x20#%/<>?@\\^|]/.test(hostname) || Number(port || 0) > 65535) return null;
      const [username, ...password] = (user ?? "").split(":");
      return { protocol, hostname, username, password: password.join(":"),
        port: port && String(Number(port)) !== PORTS[protocol] ? String(Number(port)) : "",
        pathname: simplePath(escapeIn((path ?? "/").replace(/\\/g, "/"), ' "<>`{}')),
        search: query && query !== "?" ? escapeIn(query, ' "<>\'') : "",
        hash: hash && hash !== "#" ? escapeIn(hash, ' "<>`') : "" };
    }
    get protocol() { return this.#parts.protocol; }
    set protocol(v) { this.#parts.protocol = String(v).replace(/:*$/, ":").toLowerCase(); }
    get hostname() { return this.#parts.hostname; }
    set hostname(v) { this.#parts.hostname = String(v).toLowerCase(); }
    get port() { return this.#parts.port; }
    set port(v) { this.#parts.port = String(v) === PORTS[this.protocol] ? "" : String(v); }
    get host() { return this.hostname + (this.port ? ":" + this.port : ""); }
    set host(v) { [this.hostname, this.port = ""] = String(v).split(":"); }
    get username() { return this.#parts.username; }
    set username(v) { this.#parts.username = encodeURIComponent(v); }
    get password() { return this.#parts.password; }
    set password(v) { this.#parts.password = encodeURIComponent(v); }
    get origin() { return this.#parts.opaque ? "null" : this.protocol + "//" + this.host; }
    get pathname() { return this.#parts.pathname; }
    set pathname(v) { this.#parts.pathname = simplePath(escapeIn(String(v).replace(/^(?!\/)/, "/"), ' "<>`{}?#')); }
    get search() { return this.#parts.search; }
    set search(v) {
      this.#parts.search = v === "" || v === "?" ? "" : escapeIn(String(v).replace(/^(?!\?)/, "?"), ' "<>\'#');
      this.#params = undefined;
    }
    get searchParams() {
      return (this.#params ??= new URLSearchParams(this.search, () => {
        const text = this.#params.toString();
        this.#parts.search = text ? "?" + text : "";
      }));
    }
    get hash() { return this.#parts.hash; }
    set hash(v) { this.#parts.hash = v === "" || v === "#" ? "" : escapeIn(String(v).replace(/^(?!#)/, "#"), ' "<>`'); }
    get href() {
      if (this.#parts.opaque) return this.protocol + this.pathname + this.search + this.hash;
      const user = this.username ? this.username + (this.password ? ":" + this.password : "") + "@" : "";
      return this.protocol + "//" + user + this.host + this.pathname + this.search + this.hash;
    }
    set href(v) { this.#parts = new URL(v).#parts; this.#params = undefined; }
    toString() { return this.href; }
    toJSON() { return this.href; }
  }

  // ---- Timers, aborting ----

  const setTimeout = (callback, ms = 0, ...args) => {
    if (typeof callback !== "function") throw new TypeError("setTimeout needs a function");
    return native.timer(Number(ms) || 0, () => callback(...args));
  };
  const clearTimeout = (id) => native.cancel(Number(id?.id ?? id ?? 0));
  const setInterval = (callback, ms = 0, ...args) => {
    const handle = { id: 0, unref() { return this; }, ref() { return this; } };
    const again = () => {
      handle.id = native.timer(Math.max(Number(ms) || 0, 10), () => {
        again();
        callback(...args);
      });
    };
    again();
    return handle;
  };
  const setImmediate = (callback, ...args) => setTimeout(callback, 0, ...args);

  class AbortSignal {
    aborted = false;
    reason = undefined;
    onabort = null;
    #listeners = [];
    addEventListener(type, listener) { if (type === "abort") this.#listeners.push(listener); }
    removeEventListener(type, listener) { this.#listeners = this.#listeners.filter((l) => l !== listener); }
    throwIfAborted() { if (this.aborted) throw this.reason; }
    static timeout(ms) {
      const controller = new AbortController();
      setTimeout(() => controller.abort(named("TimeoutError", "The operation timed out")), ms);
      return controller.signal;
    }
    static _abort(signal, reason) {
      if (signal.aborted) return;
      signal.aborted = true;
      signal.reason = reason;
      signal.onabort?.({ type: "abort" });
      for (const listener of signal.#listeners) listener({ type: "abort" });
    }
  }
  class AbortController {
    signal = new AbortSignal();
    abort(reason = named("AbortError", "The user aborted a request.")) { AbortSignal._abort(this.signal, reason); }
  }
  function named(name, message) {
    const error = new Error(message);
    error.name = name;
    return error;
  }

  // ---- fetch ----

  class Headers {
    #map = new Map();
    constructor(init) {
      const pairs = init && typeof init[Symbol.iterator] === "function" ? init : Object.entries(init ?? {});
      for (const [key, value] of pairs) this.append(key, value);
    }
    append(key, value) {
      const name = String(key).toLowerCase();
      this.#map.set(name, this.#map.has(name) ? this.#map.get(name) + ", " + value : String(value));
    }
    set(key, value) { this.#map.set(String(key).toLowerCase(), String(value)); }
    get(key) { return this.#map.get(String(key).toLowerCase()) ?? null; }
    has(key) { return this.#map.has(String(key).toLowerCase()); }
    delete(key) { this.#map.delete(String(key).toLowerCase()); }
    forEach(visit, self) { for (const [key, value] of this.#map) visit.call(self, value, key, this); }
    raw() { return Object.fromEntries([...this.#map].map(([k, v]) => [k, [v]])); }
    keys() { return this.#map.keys(); }
    values() { return this.#map.values(); }
    entries() { return this.#map.entries(); }
    [Symbol.iterator]() { return this.#map.entries(); }
  }
  class Response {
    #bytes;
    bodyUsed = false;
    constructor(body = "", { status = 200, statusText = "", headers, url = "", redirected = false } = {}) {
      this.#bytes = body instanceof ArrayBuffer ? new Uint8Array(body) : bytesFrom(body ?? "");
      this.status = status;
      this.statusText = statusText;
      this.ok = status >= 200 && status < 300;
      this.headers = new Headers(headers);
      this.url = url;
      this.redirected = redirected;
    }
    #take() {
      if (this.bodyUsed) throw new TypeError("body used already for: " + this.url);
      this.bodyUsed = true;
      return this.#bytes;
    }
    async text() { return textOf(this.#take()); }
    async json() {
      const text = textOf(this.#take());
      try {
        return JSON.parse(text);
      } catch (error) {
        throw named("FetchError", `invalid json response body at ${this.url} reason: ${error.message}`);
      }
    }
    async arrayBuffer() { return exact(this.#take()); }
    async buffer() { return buffer(exact(this.#take())); }
    async blob() { return { size: this.#bytes.length, arrayBuffer: async () => exact(this.#take()) }; }
    clone() {
      return new Response(exact(this.#bytes), { status: this.status, statusText: this.statusText,
        headers: [...this.headers], url: this.url, redirected: this.redirected });
    }
  }

  async function fetch(input, options = {}) {
    const url = String(input?.href ?? input?.url ?? input);
    const signal = options.signal;
    signal?.throwIfAborted?.();
    const headers = new Headers(options.headers);
    let bytes;
    if (options.body !== undefined && options.body !== null) {
      let body = options.body;
      if (body instanceof URLSearchParams) {
        if (!headers.has("content-type")) headers.set("content-type", "application/x-www-form-urlencoded;charset=UTF-8");
        body = body.toString();
      } else if (typeof body === "string" && !headers.has("content-type")) {
        headers.set("content-type", "text/plain;charset=UTF-8");
      } else if (typeof body === "object" && !(body instanceof ArrayBuffer) && !ArrayBuffer.isView(body)) {
        body = String(body);
      }
      bytes = exact(bytesFrom(body));
    }
    const request = { url, method: String(options.method ?? "GET").toUpperCase(), headers: [...headers],
      redirect: options.redirect ?? "follow", follow: options.follow ?? 20, timeout: options.timeout ?? 0 };
    const sent = native.call("fetch", JSON.stringify(request), bytes);
    const aborted = signal && new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    const { value, bytes: body } = await (aborted ? Promise.race([sent, aborted]) : sent);
    return new Response(body, value);
  }

  // ---- Hashes and random numbers ----

  const encoded = (bytes, encoding) => (encoding && encoding !== "buffer" ? bytes.toString(encoding) : bytes);
  class Hash {
    #parts = [];
    #finish;
    constructor(finish) { this.#finish = finish; }
    update(data, encoding) {
      this.#parts.push(bytesFrom(data, encoding));
      return this;
    }
    digest(encoding) { return encoded(buffer(this.#finish(exact(Buffer.concat(this.#parts)))), encoding); }
  }
  const randomBytes = (size, callback) => {
    const bytes = buffer(native.random(size));
    if (callback) callback(null, bytes);
    return bytes;
  };
  const randomUUID = () => {
    const b = randomBytes(16);
    b[6] = (b[6] & 15) | 64;
    b[8] = (b[8] & 63) | 128;
    return hexOf(b).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  };
  const getRandomValues = (view) => {
    new Uint8Array(view.buffer, view.byteOffset, view.byteLength).set(randomBytes(view.byteLength));
    return view;
  };
  const cryptoModule = {
    createHash: (name) => new Hash((bytes) => native.hash(name, bytes)),
    createHmac: (name, key) => {
      const secret = exact(bytesFrom(key));
      return new Hash((bytes) => native.hmac(name, secret, bytes));
    },
    randomBytes,
    randomUUID,
    randomInt: (low, high) => {
      if (high === undefined) [low, high] = [0, low];
      return low + Math.floor((randomBytes(6).readUInt32LE(0) / 4294967296) * (high - low));
    },
    timingSafeEqual: (a, b) => {
      if (a.length !== b.length) throw new RangeError("Input buffers must have the same byte length");
      let differ = 0;
      for (let i = 0; i < a.length; i++) differ |= a[i] ^ b[i];
      return differ === 0;
    },
    getHashes: () => ["md5", "sha1", "sha224", "sha256", "sha384", "sha512"],
    webcrypto: { getRandomValues, randomUUID },
  };

  // ---- What an app may import ----

  function createBuffer(options) {
    const settings = { limit: 10, timeoutSeconds: 60, ...options };
    const self = {
      _buffer: [], _timeout: null, _points: 0, _options: settings,
      add(item, points = 1) {
        if (self._points && self._points + points > settings.limit) void self.flush();
        self._points += points;
        self._buffer.push(item);
        if (self._points > settings.limit) void self.flush();
        else if (!self._timeout) self._timeout = setTimeout(() => void self.flush(), settings.timeoutSeconds * 1000);
      },
      async flush() {
        if (self._timeout) clearTimeout(self._timeout);
        self._timeout = null;
        if (self._buffer.length === 0 && self._points === 0) return;
        const [items, points] = [self._buffer, self._points];
        self._buffer = [];
        self._points = 0;
        await settings.onFlush?.(items, points);
      },
    };
    return self;
  }

  const zipped = (format, name) => (data) => buffer(native[name](exact(bytesFrom(data)), format));
  const zlib = {};
  for (const [name, format, native_name] of [["gzip", "gzip", "zip"], ["gunzip", "gzip", "unzip"],
    ["deflate", "zlib", "zip"], ["inflate", "zlib", "unzip"], ["deflateRaw", "raw", "zip"], ["inflateRaw", "raw", "unzip"]]) {
    zlib[name + "Sync"] = zipped(format, native_name);
    zlib[name] = (data, options, callback = options) => {
      let out, error = null;
      try {
        out = zlib[name + "Sync"](data);
      } catch (thrown) {
        error = thrown;
      }
      setTimeout(() => callback(error, out), 0);
    };
  }

  class EventEmitter {
    #listeners = new Map();
    on(type, listener) {
      this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener]);
      return this;
    }
    once(type, listener) {
      const once = (...args) => {
        this.off(type, once);
        listener(...args);
      };
      return this.on(type, once);
    }
    off(type, listener) {
      this.#listeners.set(type, (this.#listeners.get(type) ?? []).filter((l) => l !== listener));
      return this;
    }
    emit(type, ...args) {
      const listeners = this.#listeners.get(type) ?? [];
      for (const listener of listeners) listener.apply(this, args);
      return listeners.length > 0;
    }
  }
  class PassThrough extends EventEmitter {
    write(data) { this.emit("data", Buffer.from(data)); return true; }
    end(data) {
      if (data !== undefined) this.write(data);
      this.emit("end");
      this.emit("finish");
      return this;
    }
    pipe(to) {
      this.on("data", (data) => to.write(data));
      this.on("end", () => to.end());
      return to;
    }
  }

  function createPool(factory, { max = 1 } = {}) {
    const idle = [], waiting = [];
    let made = 0;
    const pool = {
      async acquire() {
        if (idle.length) return idle.pop();
        if (made < max) {
          made++;
          return factory.create();
        }
        return new Promise((resolve) => waiting.push(resolve));
      },
      async release(item) { waiting.length ? waiting.shift()(item) : idle.push(item); },
      async destroy(item) { made--; await factory.destroy?.(item); },
      async use(work) {
        const item = await pool.acquire();
        try {
          return await work(item);
        } finally {
          await pool.release(item);
        }
      },
      async drain() {},
      async clear() { for (const item of idle.splice(0)) await pool.destroy(item); },
    };
    return pool;
  }

  const JWT_HASHES = { HS256: "sha256", HS384: "sha384", HS512: "sha512" };
  const jwtHash = (algorithm) => {
    if (!(algorithm in JWT_HASHES)) throw new Error(`algorithm ${algorithm} is not provided`);
    return JWT_HASHES[algorithm];
  };
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const jsonwebtoken = {
    sign(payload, secret, { algorithm = "HS256", expiresIn, header = {}, noTimestamp, ...claims } = {}) {
      const iat = Math.floor(Date.now() / 1000);
      const body = { ...payload };
      if (!noTimestamp) body.iat ??= iat;
      if (expiresIn !== undefined) body.exp = iat + Number(expiresIn);
      for (const [key, short] of [["audience", "aud"], ["issuer", "iss"], ["subject", "sub"], ["jwtid", "jti"]]) {
        if (claims[key] !== undefined) body[short] = claims[key];
      }
      const text = part({ alg: algorithm, typ: "JWT", ...header }) + "." + part(body);
      return text + "." + cryptoModule.createHmac(jwtHash(algorithm), secret).update(text).digest("base64url");
    },
    decode(token) {
      try {
        return JSON.parse(Buffer.from(token.split(".")[1], "base64").toString());
      } catch {
        return null;
      }
    },
    verify(token, secret) {
      const [head, body, signature] = String(token).split(".");
      const { alg } = JSON.parse(Buffer.from(head, "base64").toString());
      const wanted = cryptoModule.createHmac(jwtHash(alg), secret).update(head + "." + body).digest("base64url");
      if (signature !== wanted) throw named("JsonWebTokenError", "invalid signature");
      const claims = jsonwebtoken.decode(token);
      if (claims.exp !== undefined && claims.exp * 1000 <= Date.now()) throw named("TokenExpiredError", "jwt expired");
      return claims;
    },
  };

  // Importing them works; using one says what is missing.
  const unavailable = (name) => new Proxy(function () {}, {
    get: (_, key) => typeof key === "symbol" || key === "__esModule" || key === "then" ? undefined : unavailable(`${name}.${key}`),
    apply: () => { throw new Error(`'${name}' is not provided by Penstock: use fetch`); },
    construct: () => { throw new Error(`'${name}' is not provided by Penstock: use fetch`); },
  });

  const utilModule = {
    promisify: (f) => (...args) => new Promise((resolve, reject) =>
      f(...args, (error, value) => (error ? reject(error) : resolve(value)))),
    inspect: (value) => shown(value),
    format: (...args) => args.map(shown).join(" "),
    isDeepStrictEqual: (a, b) => JSON.stringify(a) === JSON.stringify(b),
    TextEncoder, TextDecoder,
  };
  const MetricsOperation = { Increment: "increment", Max: "max", Min: "min", Sum: "sum" };
  const urlModule = {
    URL, URLSearchParams,
    parse: (text) => {
      try {
        const url = new URL(text);
        return { href: url.href, protocol: url.protocol, host: url.host, hostname: url.hostname,
          port: url.port || null, pathname: url.pathname, search: url.search || null,
          query: url.search.slice(1) || null, hash: url.hash || null, path: url.pathname + url.search };
      } catch {
        return { href: text, protocol: null, host: null, hostname: null, port: null, pathname: text,
          search: null, query: null, hash: null, path: text };
      }
    },
    format: (url) => String(url.href ?? url),
  };
  const fetchModule = Object.assign((...args) => globalThis.fetch(...args), { Headers, Response, FetchError: Error });
  const modules = {
    "@posthog/plugin-scaffold": { RetryError, MetricsOperation },
    "@posthog/plugin-contrib": { createBuffer },
    "node-fetch": fetchModule, crypto: cryptoModule, url: urlModule, zlib, util: utilModule,
    buffer: { Buffer }, stream: { PassThrough, Transform: PassThrough }, events: Object.assign(EventEmitter, { EventEmitter }),
    "generic-pool": { createPool }, jsonwebtoken,
  };
  for (const name of ["@google-cloud/bigquery", "@google-cloud/pubsub", "@google-cloud/storage", "aws-sdk",
    "faker", "pg", "snowflake-sdk"]) modules[name] = unavailable(name);

  const loaded = {};
  function requireFrom(folder) {
    return function require(name) {
      const bare = String(name).replace(/^node:/, "");
      if (Object.hasOwn(modules, bare)) return modules[bare];
      if (!/^\.{0,2}\//.test(bare)) {
        throw new Error(`Cannot import '${name}'! This package is not provided by PostHog or Penstock.`);
      }
      const path = simplePath("/" + folder + "/" + bare).replace(/^\/+/, "");
      for (const end of ["", ".js", ".ts", ".tsx", ".json", "/index.js", "/index.ts"]) {
        if (Object.hasOwn(loaded, path + end)) return loaded[path + end].exports;
        const code = native.source(path + end);
        if (code === undefined) continue;
        const module = (loaded[path + end] = { exports: {} });
        if (end === ".json" || path.endsWith(".json")) {
          module.exports = JSON.parse(code);
        } else {
          const run = native.evaluate(`(function (exports, module, require) {${code}\n})`, path + end);
          run(module.exports, module, requireFrom((path + end).replace(/\/?[^/]*$/, "")));
        }
        return module.exports;
      }
      throw new Error(`Cannot import '${name}': there is no such file in the app.`);
    };
  }

  // ---- console ----

  function shown(value) {
    if (value instanceof Error) return value.stack ? `${value.name}: ${value.message}\n${value.stack}` : String(value);
    if (typeof value === "object" && value !== null) {
      try {
        return JSON.stringify(value);
      } catch {
        return String(value);
      }
    }
    return String(value);
  }
  const console = {};
  for (const [name, level] of [["debug", 0], ["log", 1], ["info", 2], ["warn", 3], ["error", 4], ["trace", 0]]) {
    console[name] = (...args) => native.log(level, args.map(shown).join(" "));
  }

  // ---- posthog ----

  const LIBRARY = { $lib: "posthog-plugin-server", $lib_version: "penstock" };
  async function capture(event, props = {}) {
    const { timestamp = new Date().toISOString(), distinct_id = spec.name || `plugin-id-${spec.plugin_id}`, ...rest } = props;
    await host("capture", { event: String(event), distinct_id: String(distinct_id), timestamp,
      properties: { ...LIBRARY, distinct_id, ...rest } });
  }
  const api = {};
  for (const method of ["get", "post", "put", "delete"]) {
    api[method] = async (path, options = {}) => {
      const { data, headers = {}, projectApiKey, personalApiKey } = options;
      if (Boolean(projectApiKey) !== Boolean(personalApiKey)) {
        throw new Error("You must specify a personalApiKey if you specify a projectApiKey and vice-versa!");
      }
      const base = (options.host ?? (projectApiKey ? "https://app.posthog.com" : spec.site_url) ?? "").replace(/\/$/, "");
      const url = new URL(base + "/" + String(path).replace(/^\//, ""));
      url.searchParams.set("token", projectApiKey ?? spec.token);
      const send = { method: method.toUpperCase(), headers: { ...headers } };
      if (personalApiKey) send.headers.Authorization = `Bearer ${personalApiKey}`;
      if (method === "get") for (const [key, value] of Object.entries(data ?? {})) url.searchParams.set(key, value);
      if ((method === "post" || method === "put") && data !== undefined) {
        send.headers["Content-Type"] = "application/json";
        send.body = JSON.stringify(data);
      }
      return globalThis.fetch(url.href, send);
    };
  }

  // ---- meta ----

  const number = (value, what) => {
    if (typeof value !== "number") throw new IllegalOperationError(`${what} must be a number`);
    return value;
  };
  const cache = {
    async set(key, value, ttlSeconds, { jsonSerialize = true } = {}) {
      const text = jsonSerialize ? JSON.stringify(value) : String(value);
      await host("cache.set", { key: String(key), value: text ?? "null", ttl: ttlSeconds });
    },
    async get(key, fallback, { jsonSerialize = true } = {}) {
      const text = await host("cache.get", { key: String(key) });
      if (text === undefined) return fallback;
      if (text === null) return null;
      return jsonSerialize ? JSON.parse(text) : text;
    },
    incr: (key) => host("cache.incr", { key: String(key) }),
    expire: (key, ttlSeconds) => host("cache.expire", { key: String(key), ttl: ttlSeconds }),
    lpush: (key, items) => {
      const list = Array.isArray(items) ? items : [items];
      if (list.length > 1000) throw new IllegalOperationError("lpush takes at most 1000 items");
      return host("cache.lpush", { key: String(key), items: list.map(String) });
    },
    lrange: (key, start, end) =>
      host("cache.lrange", { key: String(key), start: number(start, "start"), end: number(end, "end") }),
    llen: (key) => host("cache.llen", { key: String(key) }),
    lpop: (key, count) => host("cache.lpop", { key: String(key), count: number(count, "count") }),
    lrem: (key, count, element) =>
      host("cache.lrem", { key: String(key), count: number(count, "count"), element: String(element) }),
  };
  for (const name of ["lpush", "lrange", "lpop", "lrem"]) {
    const inner = cache[name];
    cache[name] = async (...args) => inner(...args);
  }
  const storage = {
    async set(key, value) {
      if (value === undefined) return storage.del(key);
      await host("storage.set", { key: String(key), value: JSON.stringify(value) ?? "null" });
    },
    async get(key, fallback) {
      const text = await host("storage.get", { key: String(key) });
      return text === null ? fallback : JSON.parse(text);
    },
    async del(key) { await host("storage.del", { key: String(key) }); },
  };
  const utils = {
    cursor: {
      init: async (key, initial = 0) => { await host("cursor.init", { key: String(key), value: initial }); },
      increment: (key, by = 1) => host("cursor.increment", { key: String(key), by }),
    },
  };

  const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR, WEEK = 7 * DAY;
  const UNITS = { milliseconds: 1, seconds: SECOND, minutes: MINUTE, hours: HOUR, days: DAY, weeks: WEEK,
    months: 30 * WEEK, quarters: 13 * WEEK, years: 365 * DAY };
  const enqueue = async (name, payload, at) => { await host("job", { name, payload: payload ?? null, at }); };
  const jobs = new Proxy({}, {
    get: (_, name) => typeof name === "symbol" || name === "then" ? undefined : (payload) => ({
      runNow: () => enqueue(name, payload, Date.now()),
      runIn: async (duration, unit) => {
        const key = String(unit).endsWith("s") ? String(unit) : unit + "s";
        if (!Object.hasOwn(UNITS, key)) throw new Error(`Invalid time unit: ${unit}`);
        await enqueue(name, payload, Date.now() + duration * UNITS[key]);
      },
      runAt: (date) => enqueue(name, payload, new Date(date).getTime()),
    }),
  });

  const kinds = { sum: "increment", max: "max", min: "min" };
  const declared = {};
  const HOST_METRICS = ["events_seen", "events_delivered_successfully", "retry_errors", "other_errors",
    "undelivered_events"];
  const metrics = new Proxy({}, {
    get: (_, name) => {
      if (typeof name === "symbol" || name === "then") return undefined;
      const kind = declared[name];
      const method = (own) => async (value) => {
        if (!kind || kinds[kind] !== own) throw new IllegalOperationError(`Please choose a metric the app declares for '${own}': ${name}`);
        if (typeof value !== "number") throw new IllegalOperationError("metric values must be numbers");
        native.metric(String(name), kind, value);
      };
      return { increment: method("increment"), max: method("max"), min: method("min") };
    },
  });
  const count = (name, value) => native.metric(name, "sum", value);

  const meta = {
    config: spec.config,
    attachments: Object.fromEntries(native.attachments().map(([key, content_type, file_name, contents]) =>
      [key, { content_type, file_name, contents: buffer(contents) }])),
    global: {}, cache, storage, jobs, metrics, utils,
    geoip: { locate: async (ip) => native.locate(String(ip)) },
  };

  // ---- The app's exports ----

  const world = { console, fetch, URL, URLSearchParams, RetryError, Buffer, TextEncoder, TextDecoder, atob, btoa,
    setTimeout, clearTimeout, setInterval, clearInterval: clearTimeout, setImmediate, clearImmediate: clearTimeout,
    AbortController, AbortSignal, Headers, Response, posthog: { capture, api }, google: {},
    crypto: { getRandomValues, randomUUID },
    structuredClone: (value) => (value === undefined ? undefined : JSON.parse(JSON.stringify(value))) };
  for (const [name, value] of Object.entries(world)) {
    Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
  }

  const found = {};
  const isObject = (value) => (typeof value === "object" && value !== null) || typeof value === "function";
  function discover(mine) {
    const sources = [mine.exports, mine.exports?.default, mine.module.exports, mine.module.exports?.default].filter(isObject);
    const ticks = new Set();
    for (const source of sources) {
      for (const name of Object.keys(source)) if (name.startsWith("runEvery")) ticks.add(name);
    }
    for (const name of [...KNOWN, ...ticks]) {
      const source = sources.find((one) => one[name] !== undefined);
      if (source) found[name] = source[name];
    }
    if (Object.keys(found).length > 0) return;
    for (const name of KNOWN) {
      const value = native.evaluate(`typeof ${name} === "undefined" ? undefined : ${name}`, "<penstock>");
      if (value !== undefined) found[name] = value;
    }
  }

  function declareMetrics() {
    for (const [name, kind] of Object.entries(found.metrics ?? {})) {
      const lower = String(kind).toLowerCase();
      if (!Object.hasOwn(kinds, lower)) {
        throw new Error(`Invalid value for metric '${name}'. Valid options are: sum, min, max`);
      }
      declared[name] = lower;
    }
    if (typeof found.exportEvents === "function") for (const name of HOST_METRICS) declared[name] = "sum";
  }

  // ---- exportEvents ----

  const RETRIES_MAX = 15;
  const clamp = (text, fallback, low, high) => {
    const value = parseInt(text, 10);
    return Math.min(Math.max(Number.isNaN(value) ? fallback : value, low), high);
  };
  let exports_;
  function exporter() {
    const ignored = new Set(String(spec.config.exportEventsToIgnore ?? "").split(",").map((name) => name.trim()).filter(Boolean));
    const send = async (batch, batchId, retries) => {
      if (retries === 0) count("events_seen", batch.length);
      try {
        await found.exportEvents(batch, meta);
        count("events_delivered_successfully", batch.length);
      } catch (error) {
        if (error instanceof RetryError || error?.name === "RetryError") {
          if (retries < RETRIES_MAX) {
            count("retry_errors", 1);
            const seconds = 3 * 2 ** (retries + 1);
            await enqueue("exportEventsWithRetry", { batch, batchId, retriesPerformedSoFar: retries + 1 },
              Date.now() + seconds * 1000);
            return;
          }
          count("undelivered_events", batch.length);
          return;
        }
        count("other_errors", 1);
        count("undelivered_events", batch.length);
        throw error;
      }
    };
    const report = (error) => native.log(4, `exportEvents failed: ${shown(error)}`, true);
    const waiting = createBuffer({
      limit: clamp(spec.config.exportEventsBufferBytes, 1048576, 1, 104857600),
      timeoutSeconds: clamp(spec.config.exportEventsBufferSeconds, 10, 1, 600),
      onFlush: (batch) => send(batch, Math.floor(Math.random() * 1000000), 0).catch(report),
    });
    return {
      add: (event) => {
        if (ignored.has(event.event)) return;
        // Plain objects: they outlive the call, and the texts of all its events should not.
        const text = JSON.stringify(event);
        waiting.add(JSON.parse(text), text.length);
      },
      flush: () => waiting.flush(),
      retry: (payload) => send(payload.batch, payload.batchId, payload.retriesPerformedSoFar),
    };
  }

  // ---- composeWebhook ----

  async function webhook(event) {
    const elements = event.properties?.$elements_chain;
    const composed = found.composeWebhook({ ...event, timestamp: new Date(event.timestamp),
      properties: elements === undefined && event.elements_chain ?
        { ...event.properties, $elements_chain: event.elements_chain } : event.properties }, meta);
    if (!composed) return;
    const { url, body, headers = {}, method = "POST" } = await composed;
    const answer = await fetch(url, { method, headers, timeout: 10000,
      body: typeof body === "string" || body == null ? body : JSON.stringify(body) });
    if (!answer.ok) throw new Error(`the webhook answered ${answer.status}`);
  }

  async function onEvent(event) {
    if (typeof found.onEvent === "function") await found.onEvent(event, meta);
    if (exports_) exports_.add(event);
    if (typeof found.composeWebhook === "function") await webhook(event);
  }

  async function hook(name, payload, events) {
    switch (name) {
      case "onEvent": {
        const done = await Promise.allSettled(events.map(onEvent));
        const failed = done.filter((one) => one.status === "rejected").map((one) => one.reason);
        return { succeeded: done.length - failed.length,
          errors: failed.slice(0, 10).map((error) => ({ name: error?.name ?? "Error",
            message: String(error?.message ?? error), stack: String(error?.stack ?? "") })) };
      }
      case "job": {
        const { name: task, payload: data } = JSON.parse(payload);
        if (task === "exportEventsWithRetry" && exports_) return void (await exports_.retry(data));
        const run = found.jobs?.[task];
        if (typeof run !== "function") throw new Error(`the app has no job '${task}'`);
        return void (await run(data, meta));
      }
      case "teardown":
        if (exports_) await exports_.flush();
        return void (await found.teardownPlugin?.(meta));
      default:
        if (typeof found[name] !== "function") throw new Error(`the app has no ${name}`);
        return void (await found[name](meta));
    }
  }

  const vm = {
    meta, hook, settled,
    adopt: (value) => Promise.resolve(value),
    watch: (promise) => { Promise.prototype.then.call(promise, () => {}, () => {}); },
    async start() {
      const code = spec.main ? native.source(spec.main) : undefined;
      if (code === undefined) {
        throw new Error("Could not load index.js or index.ts: the app has no such file");
      }
      const exports = {};
      const module = { exports };
      const folder = spec.main.replace(/\/?[^/]*$/, "");
      for (const [name, value] of [["exports", exports], ["module", module], ["require", requireFrom(folder)]]) {
        Object.defineProperty(globalThis, name, { value, writable: true, configurable: true });
      }
      native.evaluate(code, spec.main);
      discover({ exports, module: globalThis.module ?? module });
      declareMetrics();
      if (typeof found.processEvent === "function") {
        vm.processEvent = found.processEvent;
      } else if (typeof found.processEventBatch === "function") {
        vm.processEvent = async (event, own) => (await found.processEventBatch([event], own))?.[0];
      }
      if (typeof found.exportEvents === "function") exports_ = exporter();
      const settings = typeof found.getSettings === "function" ? await found.getSettings(meta) : { handlesLargeBatches: false };
      if (typeof found.setupPlugin === "function") await found.setupPlugin(meta);
      return {
        methods: CALLED.filter((name) => typeof found[name] === "function"),
        scheduled_tasks: Object.keys(found).filter((name) => name.startsWith("runEvery") && typeof found[name] === "function"),
        jobs: Object.keys(found.jobs ?? {}).filter((name) => typeof found.jobs[name] === "function"),
        metrics: { ...declared }, settings, scheduled: TICKS.filter((name) => typeof found[name] === "function"),
      };
    },
  };
  return vm;
})
