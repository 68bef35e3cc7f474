// Blob, File and FormData, and the body that fetch makes of one: read by prelude.js when an app first asks for
// one of them.
(function (tools) {
  "use strict";
  const { textOf, utf8 } = tools;

  const bytesOf = Symbol("bytes");
  const plain = (bytes) => bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);

  class Blob {
    constructor(parts = [], { type = "" } = {}) {
      if (typeof parts !== "object" || parts === null || typeof parts[Symbol.iterator] !== "function") {
        throw new TypeError("The parts of a Blob are a list");
      }
      const all = Array.from(parts, (part) => part instanceof Blob ? part[bytesOf] :
        part instanceof ArrayBuffer ? new Uint8Array(part) : ArrayBuffer.isView(part) ?
          new Uint8Array(part.buffer, part.byteOffset, part.byteLength) : utf8(String(part)));
      const bytes = new Uint8Array(all.reduce((sum, one) => sum + one.byteLength, 0));
      let at = 0;
      for (const one of all) {
        bytes.set(one, at);
        at += one.byteLength;
      }
      Object.defineProperty(this, bytesOf, { value: bytes });
      Object.defineProperty(this, "type", { value: /[^ -~]/.test(type) ? "" : String(type).toLowerCase() });
    }
    get size() { return this[bytesOf].byteLength; }
    get [Symbol.toStringTag]() { return "Blob"; }
    async text() { return textOf(this[bytesOf]); }
    async arrayBuffer() { return plain(this[bytesOf]); }
    async bytes() { return this[bytesOf].slice(); }
    slice(start = 0, end = this.size, type = "") { return new Blob([this[bytesOf].slice(start, end)], { type }); }
    async *[Symbol.asyncIterator]() { yield this[bytesOf].slice(); }
  }

  class File extends Blob {
    constructor(parts, name, options = {}) {
      super(parts, options);
      Object.defineProperty(this, "name", { value: String(name) });
      Object.defineProperty(this, "lastModified", { value: Number(options.lastModified ?? Date.now()) });
    }
    get [Symbol.toStringTag]() { return "File"; }
  }

  class FormData {
    #entries = [];
    #entry(name, value, filename) {
      if (!(value instanceof Blob)) return [String(name), String(value)];
      const kept = value instanceof File && filename === undefined;
      return [String(name), kept ? value : new File([value], filename ?? value.name ?? "blob", { type: value.type })];
    }
    append(name, value, filename) { this.#entries.push(this.#entry(name, value, filename)); }
    set(name, value, filename) {
      const at = this.#entries.findIndex(([key]) => key === String(name));
      if (at < 0) return this.append(name, value, filename);
      this.#entries = this.#entries.filter(([key], i) => i <= at || key !== String(name));
      this.#entries[at] = this.#entry(name, value, filename);
    }
    get(name) { return this.#entries.find(([key]) => key === String(name))?.[1] ?? null; }
    getAll(name) { return this.#entries.filter(([key]) => key === String(name)).map(([, value]) => value); }
    has(name) { return this.#entries.some(([key]) => key === String(name)); }
    delete(name) { this.#entries = this.#entries.filter(([key]) => key !== String(name)); }
    forEach(visit, self) { for (const [key, value] of this.#entries) visit.call(self, value, key, this); }
    *keys() { for (const [key] of this.#entries) yield key; }
    *values() { for (const [, value] of this.#entries) yield value; }
    *entries() { for (const [key, value] of this.#entries) yield [key, value]; }
    [Symbol.iterator]() { return this.entries(); }
    get [Symbol.toStringTag]() { return "FormData"; }
  }

  const quoted = (name) => name.replace(/\r?\n|\r/g, "%0D%0A").replaceAll('"', "%22");

  /** {type, bytes} of what fetch is given, or nothing: it is none of these. */
  function bodyOf(body) {
    if (body instanceof Blob) return { type: body.type, bytes: body[bytesOf] };
    if (!(body instanceof FormData)) return undefined;
    const boundary = "----formdata-penstock-" + Array.from({ length: 4 }, () => Math.random().toString(36).slice(2, 8)).join("");
    const parts = [];
    for (const [name, value] of body) {
      const head = `--${boundary}\r\nContent-Disposition: form-data; name="${quoted(name)}"`;
      if (typeof value === "string") parts.push(`${head}\r\n\r\n${value.replace(/\r?\n|\r/g, "\r\n")}\r\n`);
      else parts.push(`${head}; filename="${quoted(value.name)}"\r\nContent-Type: ${value.type || "application/octet-stream"}\r\n\r\n`, value, "\r\n");
    }
    parts.push(`--${boundary}--\r\n`);
    return { type: `multipart/form-data; boundary=${boundary}`, bytes: new Blob(parts)[bytesOf] };
  }

  return { Blob, File, FormData, bodyOf };
})
