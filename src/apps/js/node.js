// Node's zlib, stream, events and util, and generic-pool, as far as apps use them: read by prelude.js
// when an app first asks for one of them. Streams keep what goes through them in memory.
(function (tools) {
  "use strict";
  const { native, Buffer, bytesFrom, exact, buffer, later, shown, setTimeout, clearTimeout } = tools;

  // ---- events ----

  class EventEmitter {
    #listeners = new Map();
    #add(type, listener, first) {
      if (typeof listener !== "function") throw new TypeError('The "listener" argument must be of type function');
      const list = this.#listeners.get(type) ?? [];
      this.#listeners.set(type, first ? [listener, ...list] : [...list, listener]);
      return this;
    }
    on(type, listener) { return this.#add(type, listener); }
    addListener(type, listener) { return this.on(type, listener); }
    prependListener(type, listener) { return this.#add(type, listener, true); }
    once(type, listener) {
      const once = (...args) => {
        this.off(type, once);
        listener.apply(this, args);
      };
      once.listener = listener;
      return this.on(type, once);
    }
    off(type, listener) {
      const list = [...(this.#listeners.get(type) ?? [])];
      const at = list.findLastIndex((one) => one === listener || one.listener === listener);
      if (at >= 0) list.splice(at, 1);
      this.#listeners.set(type, list);
      return this;
    }
    removeListener(type, listener) { return this.off(type, listener); }
    removeAllListeners(type) {
      if (type === undefined) this.#listeners.clear();
      else this.#listeners.delete(type);
      return this;
    }
    setMaxListeners() { return this; }
    listeners(type) { return (this.#listeners.get(type) ?? []).map((one) => one.listener ?? one); }
    listenerCount(type) { return this.#listeners.get(type)?.length ?? 0; }
    eventNames() { return [...this.#listeners.keys()].filter((type) => this.listenerCount(type) > 0); }
    emit(type, ...args) {
      const listeners = this.#listeners.get(type) ?? [];
      if (listeners.length === 0 && type === "error") throw args[0] instanceof Error ? args[0] : new Error(`Unhandled error. (${args[0]})`);
      for (const listener of listeners) listener.apply(this, args);
      return listeners.length > 0;
    }
  }
  const events = Object.assign(EventEmitter, { EventEmitter,
    once: (emitter, type) => new Promise((resolve, reject) => {
      emitter.once(type, (...args) => resolve(args));
      if (type !== "error") emitter.once("error", reject);
    }) });

  // ---- stream ----

  const chunkOf = (data, encoding, objects) => objects || Buffer.isBuffer(data) ? data :
    typeof data === "string" ? Buffer.from(data, encoding) : Buffer.from(data);
  class Stream extends EventEmitter {
    pipe(to) {
      this.on("data", (data) => to.write(data));
      this.on("end", () => to.end());
      this.on("error", (error) => to.emit("error", error));
      return to;
    }
  }
  /** Both ends: what is written is kept until somebody listens, reads or iterates. */
  class Duplex extends Stream {
    #kept = [];
    #flows = false;
    #ended = false;
    #wake = null;
    #encoding = null;
    constructor(options = {}) {
      super();
      this.options = options;
      this.objects = Boolean(options.objectMode ?? options.readableObjectMode);
      this.destroyed = false;
      this.writableEnded = false;
      for (const name of ["transform", "flush", "write", "final", "read", "destroy"]) {
        if (typeof options[name] === "function") this["_" + name] = options[name];
      }
    }
    get readable() { return !this.#ended; }
    get writable() { return !this.writableEnded; }
    get readableEnded() { return this.#ended && this.#kept.length === 0; }
    setEncoding(encoding) { this.#encoding = encoding; return this; }
    push(data) {
      if (data === null || data === undefined) this.#ended = true;
      else this.#kept.push(chunkOf(data, undefined, this.objects));
      this.#move();
      return true;
    }
    #out(data) { return this.#encoding && Buffer.isBuffer(data) ? data.toString(this.#encoding) : data; }
    #move() {
      this.#wake?.();
      if (!this.#flows) return;
      while (this.#kept.length > 0) this.emit("data", this.#out(this.#kept.shift()));
      if (!this.#ended) return;
      this.#flows = false;
      this.emit("end");
      this.emit("close");
    }
    on(type, listener) {
      super.on(type, listener);
      if (type === "data") this.resume();
      return this;
    }
    resume() {
      if (this.#flows) return this;
      this.#flows = true;
      later(() => {
        if (this._read && !this.#ended) this.#pull();
        this.#move();
      });
      return this;
    }
    pause() { this.#flows = false; return this; }
    #pull() {
      for (let round = 0; round < 10000 && !this.#ended; round++) {
        const before = this.#kept.length;
        this._read(16384);
        if (this.#kept.length === before) break;
        if (this.#flows) while (this.#kept.length > 0) this.emit("data", this.#out(this.#kept.shift()));
      }
    }
    read() {
      if (this._read && !this.#ended && this.#kept.length === 0) this.#pull();
      if (this.#kept.length === 0) return null;
      if (this.objects) return this.#out(this.#kept.shift());
      return this.#out(Buffer.concat(this.#kept.splice(0)));
    }
    async *[Symbol.asyncIterator]() {
      let failed = null;
      this.on("error", (error) => { failed = error; this.#wake?.(); });
      for (;;) {
        if (this._read && !this.#ended && this.#kept.length === 0) this.#pull();
        if (failed) throw failed;
        if (this.#kept.length > 0) yield this.#out(this.#kept.shift());
        else if (this.#ended) return;
        else await new Promise((resolve) => { this.#wake = resolve; });
      }
    }
    _transform(data, _, done) { done(null, data); }
    _write(data, encoding, done) {
      this._transform(data, encoding, (error, out) => {
        if (!error && out !== null && out !== undefined) this.push(out);
        done(error);
      });
    }
    #fail(error) {
      if (error) this.emit("error", error);
    }
    write(data, encoding, done) {
      if (typeof encoding === "function") [done, encoding] = [encoding, undefined];
      if (this.writableEnded) {
        this.#fail(Object.assign(new Error("write after end"), { code: "ERR_STREAM_WRITE_AFTER_END" }));
        return false;
      }
      this._write(chunkOf(data, encoding, this.objects || this.options.writableObjectMode), encoding ?? "buffer", (error) => {
        this.#fail(error);
        done?.(error);
      });
      return true;
    }
    end(data, encoding, done) {
      if (typeof data === "function") [done, data] = [data, undefined];
      if (typeof encoding === "function") [done, encoding] = [encoding, undefined];
      if (data !== undefined && data !== null) this.write(data, encoding);
      this.writableEnded = true;
      const finish = (error, last) => {
        this.#fail(error);
        if (last !== null && last !== undefined) this.push(last);
        if (done) this.once("finish", done);
        later(() => {
          this.emit("finish");
          if (this.one_way) this.emit("close");
        });
        if (!this.one_way) this.push(null);
      };
      if (this._flush) this._flush(finish);
      else if (this._final) this._final(finish);
      else finish();
      return this;
    }
    cork() {}
    uncork() {}
    destroy(error) {
      if (this.destroyed) return this;
      this.destroyed = true;
      this.#ended = true;
      later(() => {
        if (error) this.emit("error", error);
        this.emit("close");
      });
      return this;
    }
  }
  class Readable extends Duplex {
    static from(list) {
      const out = new Readable({ objectMode: true });
      const whole = typeof list === "string" || Buffer.isBuffer(list) ? [list] : list;
      void (async () => {
        for await (const one of whole) out.push(one);
        out.push(null);
      })();
      return out;
    }
  }
  class Writable extends Duplex {
    get one_way() { return true; }
    _transform(_, __, done) { done(); }
  }
  class Transform extends Duplex {}
  class PassThrough extends Transform {}
  const finished = (stream, done) => {
    stream.once("error", done);
    stream.once(stream instanceof Writable ? "finish" : "end", () => done());
  };
  const pipeline = (...all) => {
    const done = typeof all.at(-1) === "function" ? all.pop() : () => {};
    for (const one of all) one.once("error", done);
    const last = all.reduce((from, to) => from.pipe(to));
    last.once("finish", () => done());
    return last;
  };
  const stream = Object.assign(Stream, { Stream, Readable, Writable, Duplex, Transform, PassThrough, finished, pipeline });

  // ---- zlib ----

  const zlib = { constants: { Z_NO_COMPRESSION: 0, Z_BEST_SPEED: 1, Z_BEST_COMPRESSION: 9, Z_DEFAULT_COMPRESSION: -1,
    BROTLI_PARAM_QUALITY: 1, BROTLI_PARAM_MODE: 0, BROTLI_MODE_GENERIC: 0, BROTLI_MODE_TEXT: 1 } };
  const level = (options) => Number(options?.level ?? options?.params?.[zlib.constants.BROTLI_PARAM_QUALITY] ?? -1);
  for (const [name, format, method] of [["gzip", "gzip", "zip"], ["gunzip", "gzip", "unzip"], ["deflate", "zlib", "zip"],
    ["inflate", "zlib", "unzip"], ["deflateRaw", "raw", "zip"], ["inflateRaw", "raw", "unzip"], ["unzip", "any", "unzip"],
    ["brotliCompress", "brotli", "zip"], ["brotliDecompress", "brotli", "unzip"]]) {
    zlib[name + "Sync"] = (data, options) => {
      try {
        return buffer(native[method](exact(bytesFrom(data)), format, level(options)));
      } catch (error) {
        throw Object.assign(new Error(error.message), { code: /too large/.test(error.message) ? "ERR_BUFFER_TOO_LARGE" : "Z_DATA_ERROR" });
      }
    };
    zlib[name] = (data, options, callback = options) => {
      let out, error = null;
      try {
        out = zlib[name + "Sync"](data, options === callback ? undefined : options);
      } catch (thrown) {
        error = thrown;
      }
      later(() => callback(error, out));
    };
    zlib["create" + name[0].toUpperCase() + name.slice(1)] = (options) => {
      const parts = [];
      return new Transform({
        transform(data, _, done) { parts.push(data); done(); },
        flush(done) { zlib[name](Buffer.concat(parts), options, done); },
      });
    };
  }

  // ---- util ----

  const format = (...args) => {
    if (typeof args[0] !== "string") return args.map(shown).join(" ");
    const rest = args.slice(1);
    const text = args[0].replace(/%[sdifjoOc%]/g, (mark) => {
      if (mark === "%%") return "%";
      if (rest.length === 0) return mark;
      const value = rest.shift();
      if (mark === "%d") return String(Number(value));
      if (mark === "%i") return String(parseInt(value, 10));
      if (mark === "%f") return String(parseFloat(value));
      if (mark === "%j") return JSON.stringify(value);
      return mark === "%c" ? "" : shown(value);
    });
    return [text, ...rest.map(shown)].join(" ");
  };
  function same(a, b) {
    if (Object.is(a, b)) return true;
    if (typeof a !== "object" || typeof b !== "object" || !a || !b) return false;
    if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
    if (a instanceof Date || a instanceof RegExp) return String(a) === String(b) && Number(a) === Number(b);
    if (a instanceof Map || a instanceof Set) return a.size === b.size && same([...a], [...b]);
    const keys = Object.keys(a);
    return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && same(a[key], b[key]));
  }
  const promisify = (work) => (...args) => new Promise((resolve, reject) =>
    work(...args, (error, value) => (error ? reject(error) : resolve(value))));
  const util = {
    promisify, inspect: shown, format, isDeepStrictEqual: same,
    callbackify: (work) => (...args) => {
      const callback = args.pop();
      work(...args).then((value) => callback(null, value), (error) => callback(error));
    },
    inherits: (child, parent) => {
      child.super_ = parent;
      Object.setPrototypeOf(child.prototype, parent.prototype);
    },
    deprecate: (work) => work, isArray: Array.isArray, TextEncoder: globalThis.TextEncoder, TextDecoder: globalThis.TextDecoder,
    types: { isDate: (v) => v instanceof Date, isRegExp: (v) => v instanceof RegExp, isPromise: (v) => v instanceof Promise },
  };

  // ---- generic-pool ----

  function createPool(factory, { max = 1, min = 0, acquireTimeoutMillis, testOnBorrow } = {}) {
    const idle = [], waiting = [], out = new Set();
    let made = 0, closed = false;
    const make = async () => {
      made++;
      try {
        const item = await factory.create();
        out.add(item);
        return item;
      } catch (error) {
        made--;
        throw error;
      }
    };
    const pool = Object.assign(new EventEmitter(), {
      async acquire() {
        if (closed) throw new Error("pool is draining and cannot accept work");
        while (idle.length > 0) {
          const item = idle.shift();
          if (testOnBorrow && factory.validate && !(await factory.validate(item))) {
            await pool.destroy(item);
            continue;
          }
          out.add(item);
          return item;
        }
        if (made < max) return make();
        return new Promise((resolve, reject) => {
          const entry = { resolve, reject };
          if (acquireTimeoutMillis) {
            entry.timer = setTimeout(() => {
              waiting.splice(waiting.indexOf(entry), 1);
              reject(Object.assign(new Error("ResourceRequest timed out"), { name: "TimeoutError" }));
            }, acquireTimeoutMillis);
          }
          waiting.push(entry);
        });
      },
      async release(item) {
        if (!out.delete(item)) return;
        const next = waiting.shift();
        if (!next) return void idle.push(item);
        clearTimeout(next.timer);
        out.add(item);
        next.resolve(item);
      },
      async destroy(item) {
        out.delete(item);
        made--;
        await factory.destroy?.(item);
        const next = waiting.shift();
        if (!next) return;
        clearTimeout(next.timer);
        make().then(next.resolve, next.reject);
      },
      async use(work) {
        const item = await pool.acquire();
        try {
          return await work(item);
        } finally {
          await pool.release(item);
        }
      },
      async drain() {
        closed = true;
        while (out.size > 0 || waiting.length > 0) await new Promise((resolve) => setTimeout(resolve, 10));
      },
      async clear() { for (const item of idle.splice(0)) await pool.destroy(item); },
      async start() {},
      async ready() {},
      isBorrowedResource: (item) => out.has(item),
      max, min,
    });
    for (const [name, value] of [["size", () => made], ["available", () => idle.length], ["borrowed", () => out.size],
      ["pending", () => waiting.length]]) Object.defineProperty(pool, name, { get: value });
    return pool;
  }

  return { zlib, stream, events, util, "generic-pool": { createPool, Pool: createPool } };
})
