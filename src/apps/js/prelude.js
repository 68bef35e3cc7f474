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
  const NEVER_CALLED = ["onAction", "onSnapshot"];
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
    const error = new ({ IllegalOperationError, TypeError, RangeError }[name] ?? Error)(message);
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
    if (value == null || typeof value !== "object") {
      throw Object.assign(new TypeError("The first argument must be of type string or an instance of Buffer, ArrayBuffer, or Array " +
        `or an Array-like Object. Received ${value == null ? value : `type ${typeof value} (${String(value)})`}`), { code: "ERR_INVALID_ARG_TYPE" });
    }
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
    write(text, offset = 0, length = this.length, encoding = "utf8") {
      if (typeof offset === "string") [offset, encoding] = [0, offset];
      if (typeof length === "string") [length, encoding] = [this.length, length];
      const bytes = bytesFrom(text, encoding).subarray(0, Math.min(length, this.length - offset));
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
  for (const [end, from] of [["LE", (at, n, i) => at + n - 1 - i], ["BE", (at, n, i) => at + i]]) {
    const read = (self, at, n) => {
      let out = 0;
      for (let i = 0; i < n; i++) out = out * 256 + self[from(at, n, i)];
      return out;
    };
    const write = function (value, at, n) {
      let left = value < 0 ? value + 2 ** (8 * n) : value;
      for (let i = n - 1; i >= 0; i--) {
        this[from(at, n, i)] = left % 256;
        left = Math.floor(left / 256);
      }
      return at + n;
    };
    Buffer.prototype["readUInt" + end] = function (at, n) { return read(this, at, n); };
    Buffer.prototype["readInt" + end] = function (at, n) {
      const out = read(this, at, n);
      return out >= 2 ** (8 * n - 1) ? out - 2 ** (8 * n) : out;
    };
    Buffer.prototype["writeUInt" + end] = Buffer.prototype["writeInt" + end] = write;
  }
  for (const name of Object.getOwnPropertyNames(Buffer.prototype)) {
    if (/^(read|write)(Big)?UInt/.test(name)) Buffer.prototype[name.replace("UInt", "Uint")] = Buffer.prototype[name];
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

  // ---- Parts that few apps need: made when they are asked for ----

  const kept = {};
  const part = (name) => (kept[name] ??= native.part(name + ".js")(tools));
  const later = (work) => void native.timer(0, work);
  const tools = { native, utf8, textOf, hexOf, bytesFrom, exact, buffer, named, later, Buffer, ascii: native.ascii,
    shown: (value) => shown(value), fetch: (...args) => fetch(...args), setTimeout: (...args) => setTimeout(...args),
    clearTimeout: (id) => clearTimeout(id), get URL() { return part("url").URL; }, get crypto() { return part("crypto").module; },
    get jsonwebtoken() { return part("crypto").jsonwebtoken; }, get stream() { return part("node").stream; },
    get zlib() { return part("node").zlib; } };

  // ---- Timers, aborting ----

  class Timeout {
    id = 0;
    hasRef() { return true; }
    ref() { return this; }
    unref() { return this; }
    [Symbol.toPrimitive]() { return this.id; }
  }
  const setTimeout = (callback, ms = 0, ...args) => {
    if (typeof callback !== "function") throw new TypeError('The "callback" argument must be of type function.');
    const handle = new Timeout();
    handle.id = native.timer(Number(ms) || 0, () => callback(...args));
    return handle;
  };
  const clearTimeout = (id) => native.cancel(Number(id?.id ?? id ?? 0));
  const setInterval = (callback, ms = 0, ...args) => {
    if (typeof callback !== "function") throw new TypeError('The "callback" argument must be of type function.');
    const handle = new Timeout();
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
  class FetchError extends Error {
    constructor(message, type, code) {
      super(message);
      Object.assign(this, { name: "FetchError", type }, code ? { code, errno: code } : {});
    }
  }
  class AbortError extends Error {
    constructor(message) {
      super(message);
      Object.assign(this, { name: "AbortError", type: "aborted" });
    }
  }
  class Request {
    constructor(input, options = {}) {
      this.url = String(input?.href ?? input?.url ?? input);
      this.method = String(options.method ?? input?.method ?? "GET").toUpperCase();
      this.headers = new Headers(options.headers ?? input?.headers);
      this.body = options.body ?? input?.body ?? null;
      for (const name of ["redirect", "follow", "timeout", "signal"]) this[name] = options[name] ?? input?.[name];
    }
    clone() { return new Request(this); }
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
        throw new FetchError(`invalid json response body at ${this.url} reason: ${error.message}`, "invalid-json");
      }
    }
    async arrayBuffer() { return exact(this.#take()); }
    async buffer() { return buffer(exact(this.#take())); }
    async blob() {
      return new (part("form").Blob)([this.#take()], { type: this.headers.get("content-type") ?? "" });
    }
    get body() { return part("node").stream.Readable.from(buffer(exact(this.#bytes))); }
    clone() {
      return new Response(exact(this.#bytes), { status: this.status, statusText: this.statusText,
        headers: [...this.headers], url: this.url, redirected: this.redirected });
    }
  }

  const CODES = [[/resolve host/i, "ENOTFOUND"], [/connect to server|Connection refused/i, "ECONNREFUSED"],
    [/timeout|timed out/i, "ETIMEDOUT"], [/^the answer ended|empty reply|reset|recv/i, "ECONNRESET"]];
  async function fetch(input, options = {}) {
    const wanted = new Request(input, options);
    const { url, signal, headers } = wanted;
    if (signal?.aborted) throw new AbortError("The user aborted a request.");
    let bytes, { body } = wanted;
    if (body !== undefined && body !== null) {
      // Only who has read that part can have made one.
      const form = kept.form?.bodyOf(body);
      if (form) {
        if (form.type && !headers.has("content-type")) headers.set("content-type", form.type);
        body = form.bytes;
      } else if (Object.prototype.toString.call(body) === "[object URLSearchParams]") {
        if (!headers.has("content-type")) headers.set("content-type", "application/x-www-form-urlencoded;charset=UTF-8");
        body = body.toString();
      } else if (typeof body === "string" && !headers.has("content-type")) {
        headers.set("content-type", "text/plain;charset=UTF-8");
      } else if (typeof body?.[Symbol.asyncIterator] === "function") {
        const parts = [];
        for await (const one of body) parts.push(Buffer.from(one));
        body = Buffer.concat(parts);
      } else if (typeof body === "object" && !(body instanceof ArrayBuffer) && !ArrayBuffer.isView(body)) {
        body = String(body);
      }
      bytes = exact(bytesFrom(typeof body === "string" || typeof body === "object" ? body : String(body)));
    }
    const request = { url, method: wanted.method, headers: [...headers], redirect: wanted.redirect ?? "follow",
      follow: wanted.follow ?? 20, timeout: wanted.timeout ?? 0 };
    const sent = native.call("fetch", JSON.stringify(request), bytes);
    const aborted = signal && new Promise((_, reject) => signal.addEventListener("abort", () =>
      reject(signal.reason?.name === "TimeoutError" ? signal.reason : new AbortError("The user aborted a request."))));
    let answer;
    try {
      answer = await (aborted ? Promise.race([sent, aborted]) : sent);
    } catch (error) {
      if (error.name !== "Error" && error.name !== "FetchError") throw error;
      if (error.message === "network timeout") throw new FetchError(`network timeout at: ${url}`, "request-timeout");
      const [, code] = CODES.find(([pattern]) => pattern.test(error.message)) ?? [];
      throw new FetchError(`request to ${url} failed, reason: ${error.message}`, code === "ETIMEDOUT" ? "request-timeout" : "system", code);
    }
    return new Response(answer.bytes, answer.value);
  }

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

  // Importing them works; using one says what is missing.
  const ADVICE = {
    pg: "it needs a socket, and apps reach the network through fetch only. Send rows to what answers HTTP for the database " +
      "(PostgREST, Hasura, a serverless driver's endpoint), or as files to S3 (aws-sdk) and COPY them from there",
    "snowflake-sdk": "use Snowflake's SQL API by fetch (POST https://ACCOUNT.snowflakecomputing.com/api/v2/statements, with a " +
      "token of jsonwebtoken, RS256), or files in S3 (aws-sdk) that a Snowpipe reads",
    faker: "make values with crypto.randomUUID() and Math.random(), or put words to choose from into a JSON file of the app",
  };
  const MISSING = Object.keys(ADVICE);
  const unavailableText = (name) => `'${name}' is not provided by Penstock: ${ADVICE[name.split(".")[0]]}.`;
  const unavailable = (name) => new Proxy(function () {}, {
    get: (_, key) => typeof key === "symbol" || key === "__esModule" || key === "then" ? undefined : unavailable(`${name}.${key}`),
    apply: () => { throw new Error(unavailableText(name)); },
    construct: () => { throw new Error(unavailableText(name)); },
  });

  const MetricsOperation = { Increment: "increment", Max: "max", Min: "min", Sum: "sum" };
  const fetchModule = Object.assign((...args) => globalThis.fetch(...args), { Headers, Response, Request, FetchError, AbortError,
    isRedirect: (status) => [301, 302, 303, 307, 308].includes(status) });
  const constant = (value) => () => value;
  const node = (name) => () => part("node")[name];
  const modules = {
    "@posthog/plugin-scaffold": constant({ RetryError, MetricsOperation }),
    "@posthog/plugin-contrib": constant({ createBuffer }),
    "node-fetch": constant(fetchModule), buffer: constant({ Buffer }),
    url: () => part("url").module, crypto: () => part("crypto").module, jsonwebtoken: () => part("crypto").jsonwebtoken,
    zlib: node("zlib"), util: node("util"), stream: node("stream"), events: node("events"), "generic-pool": node("generic-pool"),
    "aws-sdk": () => part("aws").module,
  };
  for (const name of ["@google-cloud/bigquery", "@google-cloud/pubsub", "@google-cloud/storage"]) {
    modules[name] = () => part("google")[name];
  }
  for (const name of MISSING) modules[name] = constant(unavailable(name));

  const loaded = {};
  const joined = (folder, name) => {
    const out = [];
    for (const one of (folder + "/" + name).split("/")) {
      if (one === "..") out.pop();
      else if (one !== "." && one !== "") out.push(one);
    }
    return out.join("/");
  };
  const isPath = (name) => /^\.{0,2}\//.test(name) || name === "." || name === "..";
  const FETCH = "Use fetch, which is a global.", NO_SOCKETS = "Apps reach the network through fetch only.";
  const INSTEAD = {
    axios: FETCH, got: FETCH, ky: FETCH, request: FETCH, "request-promise": FETCH, superagent: FETCH, "cross-fetch": FETCH,
    "isomorphic-fetch": FETCH, undici: FETCH, "form-data": "FormData is a global.", "abort-controller": "AbortController is a global.",
    uuid: "Use crypto.randomUUID().", nanoid: "Use crypto.randomUUID().", querystring: "Use URLSearchParams, which is a global.",
    qs: "Use URLSearchParams, which is a global.", http: NO_SOCKETS, https: NO_SOCKETS, http2: NO_SOCKETS, net: NO_SOCKETS,
    tls: NO_SOCKETS, dgram: NO_SOCKETS, dns: NO_SOCKETS, ws: NO_SOCKETS, kafkajs: NO_SOCKETS, mysql2: NO_SOCKETS, mysql: NO_SOCKETS,
    redis: "Use meta.cache and meta.storage.", ioredis: "Use meta.cache and meta.storage.", mongodb: NO_SOCKETS,
    fs: "Apps have no files: take an attachment (meta.attachments) or a JSON file of the app.",
    "fs/promises": "Apps have no files: take an attachment (meta.attachments) or a JSON file of the app.",
    process: "Apps have no process and no environment: take settings from meta.config.",
    dotenv: "Apps have no process and no environment: take settings from meta.config.",
    child_process: "Apps cannot start processes.", worker_threads: "Apps have one thread.",
    timers: "setTimeout and its like are globals.", perf_hooks: "performance.now() and Date.now() are there.",
    "@maxmind/geoip2-node": "Use meta.geoip.locate(ip).", maxmind: "Use meta.geoip.locate(ip).",
  };
  const notProvided = (name) => `Cannot import '${name}'! This package is not provided by PostHog or Penstock. ` +
    (INSTEAD[name] ?? "Bundle it into the app's file, or put its code beside it and import that by its path.");

  /** The file of the app that a path means; undefined: there is none. */
  function fileOf(folder, name) {
    if (!isPath(name)) return undefined;
    const path = joined(folder, name);
    const ends = ["", ".js", ".ts", ".tsx", ".jsx", ".mjs", ".cjs", ".json", "/index.js", "/index.ts", "/index.tsx"];
    const end = ends.find((one) => native.has(path + one));
    if (end !== undefined) return path + end;
    // TypeScript's own way: "./a.js" is what "./a.ts" becomes.
    const typed = /\.[cm]?js$/.test(path) ? [path.replace(/\.[cm]?js$/, ".ts"), path.replace(/\.[cm]?js$/, ".tsx")] : [];
    return typed.find((one) => native.has(one));
  }

  /** What a package or a file of Penstock's own is to `import a` and `import * as a`, both in one file, too. */
  const provided = {};
  function hostModule(name) {
    if (!Object.hasOwn(provided, name)) {
      const module = (provided[name] = modules[name]());
      if (!MISSING.includes(name) && module.default === undefined) {
        Object.defineProperty(module, "default", { value: module, writable: true, configurable: true });
      }
    }
    return provided[name];
  }

  function requireFrom(folder) {
    return function require(name) {
      const bare = String(name).replace(/^node:/, "");
      if (Object.hasOwn(modules, bare)) return hostModule(bare);
      const path = fileOf(folder, bare);
      if (path === undefined) {
        throw new Error(isPath(bare) ? `Cannot import '${name}': there is no such file in the app.` : notProvided(name));
      }
      if (Object.hasOwn(loaded, path)) return loaded[path].exports;
      const code = native.source(path);
      const module = (loaded[path] = { exports: {} });
      if (path.endsWith(".json")) {
        module.exports = JSON.parse(code);
      } else {
        const run = native.evaluate(`(function (exports, module, require) {${code}\n})`, path);
        run(module.exports, module, requireFrom(path.replace(/\/?[^/]*$/, "")));
      }
      return module.exports;
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
      const url = new tools.URL(base + "/" + String(path).replace(/^\//, ""));
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
    "undelivered_events", "events_exported"];
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
    // What PostHog gives its own plugins since 2025.
    logger: console, fetch: (...args) => globalThis.fetch(...args),
    geoip: { locate: async (ip) => native.locate(String(ip)) },
  };

  // ---- Numbers, dates and words of a place ----

  const placed = (prototype, methods) => {
    for (const [name, value] of Object.entries(methods)) {
      Object.defineProperty(prototype, name, { value, writable: true, configurable: true, enumerable: false });
    }
  };
  const intl = () => part("intl");
  placed(Number.prototype, { toLocaleString(locales, options) { return intl().numberText(this, locales, options); } });
  placed(BigInt.prototype, { toLocaleString(locales, options) { return intl().numberText(this, locales, options); } });
  placed(Date.prototype, {
    toLocaleString(locales, options) { return intl().dateText(this, locales, options, ["date", "time"]); },
    toLocaleDateString(locales, options) { return intl().dateText(this, locales, options, ["date"]); },
    toLocaleTimeString(locales, options) { return intl().dateText(this, locales, options, ["time"]); },
  });
  placed(String.prototype, { localeCompare(that, locales, options) { return intl().compare(this, that, locales, options); } });
  placed(Error, { captureStackTrace(target) {
    const { stack } = new Error();
    Object.defineProperty(target, "stack", { value: stack.replace(/^.*\n/, ""), writable: true, configurable: true });
  }, stackTraceLimit: 10 });

  // ---- structuredClone ----

  function cloned(value, seen) {
    if (typeof value === "function" || typeof value === "symbol") {
      const error = new Error(`${String(value)} could not be cloned.`);
      error.name = "DataCloneError";
      throw error;
    }
    if (typeof value !== "object" || value === null) return value;
    if (seen.has(value)) return seen.get(value);
    const keep = (copy) => (seen.set(value, copy), copy);
    if (value instanceof Date) return keep(new Date(value));
    if (value instanceof RegExp) return keep(new RegExp(value.source, value.flags));
    if (value instanceof ArrayBuffer) return keep(value.slice(0));
    if (ArrayBuffer.isView(value)) {
      const view = value instanceof DataView ? DataView : globalThis[Object.prototype.toString.call(value).slice(8, -1)];
      return keep(new view(exact(value)));
    }
    if (value instanceof Map) {
      const copy = keep(new Map());
      for (const [key, one] of value) copy.set(cloned(key, seen), cloned(one, seen));
      return copy;
    }
    if (value instanceof Set) {
      const copy = keep(new Set());
      for (const one of value) copy.add(cloned(one, seen));
      return copy;
    }
    if (value instanceof Error) {
      const copy = keep(new Error(value.message));
      copy.name = value.name;
      return copy;
    }
    const copy = keep(Array.isArray(value) ? [] : {});
    for (const key of Object.keys(value)) copy[key] = cloned(value[key], seen);
    return copy;
  }

  // ---- The app's exports ----

  const born = Date.now();
  const world = { console, fetch, RetryError, Buffer, TextEncoder, TextDecoder, atob, btoa,
    setTimeout, clearTimeout, setInterval, clearInterval: clearTimeout, setImmediate, clearImmediate: clearTimeout,
    AbortController, AbortSignal, Headers, Request, Response, global: globalThis, posthog: { capture, api }, google: {},
    structuredClone: (value) => cloned(value, new Map()), queueMicrotask: (work) => void Promise.resolve().then(work),
    performance: { timeOrigin: born, now: () => Date.now() - born } };
  for (const [name, value] of Object.entries(world)) {
    Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
  }
  const rare = { URL: () => part("url").URL, URLSearchParams: () => part("url").URLSearchParams,
    Blob: () => part("form").Blob, File: () => part("form").File, FormData: () => part("form").FormData,
    crypto: () => part("crypto").webcrypto, Intl: () => intl().Intl };
  for (const [name, make] of Object.entries(rare)) {
    const define = (value) => Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
    Object.defineProperty(globalThis, name, { configurable: true, enumerable: false, set: define, get() {
      define(make());
      return globalThis[name];
    } });
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
  const PAST_EVENTS = "Export historical events";
  const clamp = (text, fallback, low, high) => {
    const value = parseInt(text, 10);
    return Math.min(Math.max(Number.isNaN(value) ? fallback : value, low), high);
  };
  let exports_;
  function exporter() {
    const ignored = new Set(String(spec.config.exportEventsToIgnore ?? "").split(",").map((name) => name.trim()).filter(Boolean));
    const ignores = (event) => ignored.has(event.event);
    // Called by the host, which keeps what is to be tried again: what failed is told by throwing.
    const call = async (events, retries) => {
      // Plain objects: they may outlive the call, and the texts of all its events should not.
      const batch = events.filter((event) => !ignores(event)).map((event) => JSON.parse(JSON.stringify(event)));
      if (batch.length === 0) return;
      if (retries === 0) count("events_seen", batch.length);
      try {
        await found.exportEvents(batch, meta);
        count("events_delivered_successfully", batch.length);
      } catch (error) {
        const again = isRetry(error) && retries < RETRIES_MAX;
        count(isRetry(error) ? "retry_errors" : "other_errors", 1);
        if (!again) count("undelivered_events", batch.length);
        throw error;
      }
    };
    // A batch that an older version put among the jobs.
    const send = async (batch, batchId, retries) => {
      try {
        await found.exportEvents(batch, meta);
        count("events_delivered_successfully", batch.length);
      } catch (error) {
        if (isRetry(error)) {
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
    // Events of the past: no buffer, and none is left out by its name.
    const past = async (events) => {
      await found.exportEvents(events, meta);
      count("events_exported", events.length);
    };
    return {
      call, past,
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
    let answer;
    try {
      answer = await fetch(url, { method, headers, timeout: 10000,
        body: typeof body === "string" || body == null ? body : JSON.stringify(body) });
    } catch (error) {
      // A wrong request stays wrong, and an address that may not be asked stays so.
      const never = error instanceof TypeError || /^TypeError: |has a private address/.test(error?.message ?? "");
      throw Object.assign(error, { goesWellLater: !never });
    }
    if (answer.ok) return;
    const later = answer.status >= 500 || answer.status === 429 || answer.status === 408;
    throw Object.assign(new Error(`the webhook answered ${answer.status}`), { goesWellLater: later });
  }

  const isRetry = (error) => error instanceof RetryError || error?.name === "RetryError";
  const fault = (error) => ({ name: String(error?.name ?? "Error"), message: String(error?.message ?? error),
    stack: String(error?.stack ?? ""), ...(isRetry(error) || error?.goesWellLater === true ? { retry: true } : {}) });
  const CALLS = { onEvent: async (event) => found.onEvent?.(event, meta),
    composeWebhook: async (event) => typeof found.composeWebhook === "function" ? webhook(event) : undefined };

  async function hook(name, payload, events) {
    switch (name) {
      case "onEvent":
      case "composeWebhook": {
        const done = await Promise.allSettled(events.map(CALLS[name]));
        return { results: done.map((one) => one.status === "rejected" ? fault(one.reason) : null) };
      }
      case "exportEvents": {
        let thrown = null;
        if (exports_) await exports_.call(events, Number(payload)).catch((error) => { thrown = fault(error); });
        return { results: events.map(() => thrown) };
      }
      case "job": {
        const { name: task, payload: data } = JSON.parse(payload);
        if (task === "exportEventsWithRetry" && exports_) return void (await exports_.retry(data));
        const run = found.jobs?.[task];
        if (task === PAST_EVENTS && exports_ && run === undefined) return void (await exports_.past(data.events));
        if (typeof run !== "function") throw new Error(`the app has no job '${task}'`);
        return void (await run(data, meta));
      }
      case "teardown":
        return void (await found.teardownPlugin?.(meta));
      default:
        if (typeof found[name] !== "function") throw new Error(`the app has no ${name}`);
        return void (await found[name](meta));
    }
  }

  /** What a file imports before anything of it runs: {name, line, static}; what only may be imported is not static. */
  function importsOf(code) {
    const out = [];
    // What looks like a comment inside a text hides an import at most: then its load tells.
    code = code.replace(/\/\*[^]*?\*\//g, (comment) => comment.replace(/[^\n]/g, " "));
    const first = /(?:^|[;}{]\s*)(?:(?:const|let|var)\b[^=\n;]*=\s*|\}\s*=\s*)?(?:[\w$.]+\()?require\(\s*(['"])([^'"\n]+)\1\s*\)/gm;
    for (const one of code.matchAll(/\brequire\(\s*(['"])([^'"\n]+)\1\s*\)/g)) out.push({ name: one[2], line: 0, static: false });
    for (const one of code.matchAll(first)) {
      const line = code.slice(0, one.index + one[0].length).split("\n").length;
      const begins = one.index === 0 || code[one.index - 1] === "\n" || /^[;}]\s*var _/.test(one[0]);
      if (begins) out.push({ name: one[2], line, static: true });
    }
    return out;
  }

  /** Why the import of a file in `folder` will fail; undefined: it will not. */
  function wrongImport(folder, name) {
    const bare = name.replace(/^node:/, "");
    if (MISSING.includes(bare)) return unavailableText(bare);
    if (Object.hasOwn(modules, bare) || fileOf(folder, bare) !== undefined) return undefined;
    return isPath(bare) ? `Cannot import '${name}': there is no such file in the app.` : notProvided(name);
  }

  /** Whether it may be an `await` outside of functions, as modules have them, that does not compile. */
  const awaitsOutside = (error, code) => error instanceof SyntaxError && /\bawait\b/.test(code);

  /** Compiles files and runs nothing; each mistake is a line in the log: JSON with its place. */
  function compileAll(files) {
    const head = "(function (exports, module, require) {";
    const imports = {};
    const mistakes = [];
    for (const file of files) {
      try {
        if (file.endsWith(".json")) JSON.parse(native.source(file));
        else if (/\.([cm]?js|jsx|tsx?)$/.test(file) && !file.endsWith(".d.ts")) {
          const code = native.source(file);
          imports[file] = importsOf(code);
          try {
            native.evaluate(`${head}${code}\n})`, file);
          } catch (error) {
            if (file !== spec.main || !awaitsOutside(error, code)) throw error;
            try {
              native.evaluate(`(async ${head.slice(1)}${code}\n})`, file);
            } catch {
              throw error; // something else it is
            }
          }
        }
      } catch (error) {
        const told = /^([^]*?) \((\d+):(\d+)\)$/.exec(error.message);
        const place = told ? told.slice(2) : /:(\d+):(\d+)\)?$/m.exec(error.stack ?? "")?.slice(1) ?? [0, 0];
        const [line, column] = place.map(Number);
        const message = (told ? told[1] : error.message).replace(/^[^:]*: (Error transforming [^:]*: )?(SyntaxError: )?/, (all) =>
          all.startsWith(file) ? "" : all);
        mistakes.push({ file, line, column: !told && line === 1 ? Math.max(column - head.length, 1) : column, message });
      }
    }
    const runs = new Set(spec.main ? [spec.main] : []);
    for (const file of runs) {
      const folder = file.replace(/\/?[^/]*$/, "");
      for (const one of imports[file] ?? []) {
        const other = isPath(one.name) ? fileOf(folder, one.name) : undefined;
        if (other !== undefined) runs.add(other);
        const message = one.static ? wrongImport(folder, one.name) : undefined;
        if (!message) continue;
        const text = native.source(file, true).split("\n")[one.line - 1] ?? "";
        mistakes.push({ file, line: one.line, column: Math.max(text.indexOf(`'${one.name}'`), text.indexOf(`"${one.name}"`), 0) + 1, message });
      }
    }
    for (const one of mistakes) native.log(4, JSON.stringify({ ...one, runs: runs.has(one.file) || one.file === "plugin.json" }));
    return { methods: [], scheduled_tasks: [], jobs: [], metrics: {}, settings: {}, scheduled: [] };
  }

  const vm = {
    meta, hook, settled,
    adopt: (value) => Promise.resolve(value),
    watch: (promise) => { Promise.prototype.then.call(promise, () => {}, () => {}); },
    async start() {
      if (spec.only_compile) return compileAll(spec.only_compile);
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
      try {
        native.evaluate(code, spec.main);
      } catch (error) {
        if (!awaitsOutside(error, code)) throw error;
        await native.evaluate(`(async function () {${code}\n})`, spec.main)();
      }
      discover({ exports, module: globalThis.module ?? module });
      declareMetrics();
      if (typeof found.processEvent === "function") {
        vm.processEvent = found.processEvent;
      } else if (typeof found.processEventBatch === "function") {
        vm.processEvent = async (event, own) => (await found.processEventBatch([event], own))?.[0];
      }
      if (typeof found.exportEvents === "function") exports_ = exporter();
      for (const name of NEVER_CALLED) {
        if (typeof found[name] === "function") native.log(3, `${name} is never called: see docs/compat/plugins.md`, true);
      }
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
