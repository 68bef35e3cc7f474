// Node's `crypto` as far as apps use it, its `webcrypto`, and `jsonwebtoken`: read by prelude.js when
// an app first asks for one of them. The arithmetic is OpenSSL's (src/apps/script/vm_crypto.cc).
(function (tools) {
  "use strict";
  const { native, Buffer, bytesFrom, exact, buffer, hexOf, named, later } = tools;

  const encoded = (bytes, encoding) => (encoding && encoding !== "buffer" ? bytes.toString(encoding) : bytes);
  const bytes = (value, encoding) => exact(bytesFrom(value, encoding));
  const coded = (error, code) => Object.assign(error, { code });
  /** A last argument that is called with what `work` answers, or what it threw. */
  const calledBack = (work) => (...args) => {
    const callback = args.pop();
    let out, error = null;
    try {
      out = work(...args);
    } catch (thrown) {
      error = thrown;
    }
    later(() => callback(error, out));
  };

  // ---- Hashes ----

  class Hash {
    #parts = [];
    #finish;
    #done = false;
    constructor(finish, parts = []) {
      this.#finish = finish;
      this.#parts = parts;
    }
    #open() { if (this.#done) throw coded(new Error("Digest already called"), "ERR_CRYPTO_HASH_FINALIZED"); }
    update(data, encoding) {
      this.#open();
      if (typeof data !== "string" && !ArrayBuffer.isView(data)) {
        throw coded(new TypeError('The "data" argument must be of type string or an instance of Buffer, TypedArray, ' +
          `or DataView. Received ${data === null ? "null" : typeof data}`), "ERR_INVALID_ARG_TYPE");
      }
      this.#parts.push(Buffer.from(data, encoding));
      return this;
    }
    digest(encoding) {
      this.#open();
      this.#done = true;
      return encoded(buffer(this.#finish(exact(Buffer.concat(this.#parts)))), encoding);
    }
    copy() { return new Hash(this.#finish, [...this.#parts]); }
  }
  const createHash = (name) => {
    native.hash(name, new ArrayBuffer(0));  // what is not known is told now
    return new Hash((data) => native.hash(name, data));
  };
  const createHmac = (name, key) => {
    const secret = bytes(key?.secret ?? key);
    native.hmac(name, secret, new ArrayBuffer(0));
    return new Hash((data) => native.hmac(name, secret, data));
  };

  // ---- Random numbers ----

  const RANDOM_MAX = 65536;
  const randomBytesSync = (size) => {
    const parts = [];
    for (let left = Number(size); left > 0; left -= RANDOM_MAX) parts.push(buffer(native.random(Math.min(left, RANDOM_MAX))));
    return parts.length === 1 ? parts[0] : Buffer.concat(parts);
  };
  const randomBytes = (size, callback) =>
    callback ? calledBack(randomBytesSync)(size, callback) : randomBytesSync(size);
  const randomUUID = () => {
    const b = randomBytesSync(16);
    b[6] = (b[6] & 15) | 64;
    b[8] = (b[8] & 63) | 128;
    return hexOf(b).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  };
  const getRandomValues = (view) => {
    new Uint8Array(view.buffer, view.byteOffset, view.byteLength).set(randomBytesSync(view.byteLength));
    return view;
  };
  const randomInt = (low, high, callback) => {
    if (typeof high === "function") [callback, high] = [high, undefined];
    if (high === undefined) [low, high] = [0, low];
    const out = low + Math.floor((randomBytesSync(6).readUIntLE(0, 6) / 2 ** 48) * (high - low));
    if (callback) later(() => callback(null, out));
    return out;
  };
  const timingSafeEqual = (a, b) => {
    const [left, right] = [bytesFrom(a), bytesFrom(b)];
    if (left.length !== right.length) {
      throw coded(new RangeError("Input buffers must have the same byte length"), "ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH");
    }
    let differ = 0;
    for (let i = 0; i < left.length; i++) differ |= left[i] ^ right[i];
    return differ === 0;
  };

  // ---- Ciphers ----

  class Cipher {
    #parts = [];
    #work;
    #tag;
    #aad = new ArrayBuffer(0);
    constructor(work, options) {
      this.#work = work;
      this.length = options?.authTagLength ?? 16;
    }
    setAutoPadding(on = true) { this.plain = !on; return this; }
    setAAD(data) { this.#aad = bytes(data); return this; }
    setAuthTag(tag) { this.#tag = bytes(tag); return this; }
    getAuthTag() { return this.#tag; }
    // All of it comes with final(): who joins the two sees no difference.
    update(data, from, to) {
      this.#parts.push(Buffer.from(data, from));
      return to ? "" : Buffer.alloc(0);
    }
    final(encoding) {
      const { out, tag } = this.#work(exact(Buffer.concat(this.#parts)), this.#aad, this.#tag, this);
      this.#tag = tag;
      return encoded(out, encoding);
    }
  }
  const keyOf = (key) => bytes(key?.secret ?? key);
  const createCipheriv = (name, key, iv, options) => {
    const [secret, start] = [keyOf(key), iv === null ? new ArrayBuffer(0) : bytes(iv)];
    native.cipher(name, true, secret, start, new ArrayBuffer(0), new ArrayBuffer(0));
    return new Cipher((data, aad, _, self) => {
      const all = buffer(native.cipher(name, true, secret, start, data, aad, self.plain === true));
      if (!/gcm|poly1305/i.test(name)) return { out: all };
      const end = all.length - 16;
      return { out: all.subarray(0, end), tag: Buffer.from(all.subarray(end, end + self.length)) };
    }, options);
  };
  const createDecipheriv = (name, key, iv, options) => {
    const [secret, start] = [keyOf(key), iv === null ? new ArrayBuffer(0) : bytes(iv)];
    native.cipher(name, true, secret, start, new ArrayBuffer(0), new ArrayBuffer(0));
    return new Cipher((data, aad, tag, self) =>
      ({ out: buffer(native.cipher(name, false, secret, start, data, aad, self.plain === true, tag)) }), options);
  };

  // ---- Keys, signatures ----

  const pemOf = (key) => {
    const inner = key?.key ?? key?.pem ?? key;
    if (typeof inner === "string") return inner;
    const raw = bytesFrom(inner);
    const text = Buffer.from(raw).toString("latin1");
    if (text.startsWith("-----")) return text;
    const label = { pkcs1: "RSA PRIVATE KEY", sec1: "EC PRIVATE KEY", spki: "PUBLIC KEY" }[key.type] ?? "PRIVATE KEY";
    return `-----BEGIN ${label}-----\n${Buffer.from(raw).toString("base64").replace(/.{64}/g, "$&\n")}\n-----END ${label}-----\n`;
  };
  const RSA_PKCS1_PADDING = 1, RSA_PKCS1_PSS_PADDING = 6;
  const how = (key) => (key?.padding === RSA_PKCS1_PSS_PADDING ? "pss" : key?.dsaEncoding === "ieee-p1363" ? "p1363" : "");
  const digestName = (name) => (name ?? "").replace(/^RSA-/i, "");
  const sign = (name, data, key) => buffer(native.sign(digestName(name), pemOf(key), how(key), bytes(data)));
  const verify = (name, data, key, signature) =>
    native.verify(digestName(name), pemOf(key), how(key), bytes(data), bytes(signature));
  class Signer {
    #parts = [];
    #name;
    constructor(name) { this.#name = name; }
    update(data, encoding) { this.#parts.push(Buffer.from(data, encoding)); return this; }
    write(data) { this.update(data); return true; }
    end(data) { if (data !== undefined) this.update(data); return this; }
    sign(key, encoding) { return encoded(sign(this.#name, Buffer.concat(this.#parts), key), encoding); }
    verify(key, signature, encoding) {
      return verify(this.#name, Buffer.concat(this.#parts), key, bytesFrom(signature, encoding));
    }
  }
  const keyObject = (type) => (key) => ({ type, pem: pemOf(key), export: () => pemOf(key) });

  // ---- Keys from passwords ----

  const derive = (kind, password, salt, options, digest) =>
    native.derive(kind, bytes(password), bytes(salt), JSON.stringify(options), digest ?? "", bytes(options.info ?? ""));
  const pbkdf2Sync = (password, salt, iterations, size, digest) =>
    buffer(derive("pbkdf2", password, salt, { iterations, size }, digest));
  const scryptSync = (password, salt, size, { N, cost, r, blockSize, p, parallelization } = {}) =>
    buffer(derive("scrypt", password, salt, { size, n: N ?? cost ?? 16384, r: r ?? blockSize ?? 8, p: p ?? parallelization ?? 1 }));
  const hkdfSync = (digest, key, salt, info, size) =>
    derive("hkdf", key?.secret ?? key, salt, { size, info: Buffer.from(bytesFrom(info)).toString("latin1") }, digest);

  // ---- webcrypto ----

  const plain = (name) => String(name?.name ?? name).toUpperCase();
  const hashOf = (value) => plain(value?.hash ?? value).replace("-", "").toLowerCase();
  const b64 = (text) => Buffer.from(text, "base64");
  const cipherOf = (algorithm, key) => `aes-${key.raw.byteLength * 8}-${plain(algorithm).slice(4).toLowerCase()}`;
  const needs = (key, use) => {
    if (!key.usages.includes(use)) throw named("InvalidAccessError", `Unable to use this key to ${use}`);
  };
  const aes = (encrypt) => async (algorithm, key, data) => {
    needs(key, encrypt ? "encrypt" : "decrypt");
    const gcm = plain(algorithm) === "AES-GCM";
    const [iv, aad] = [bytes(algorithm.iv ?? algorithm.counter), bytes(algorithm.additionalData ?? "")];
    let body = bytes(data), tag;
    if (gcm && !encrypt) [body, tag] = [body.slice(0, -16), body.slice(-16)];
    try {
      return native.cipher(cipherOf(algorithm, key), encrypt, key.raw, iv, body, aad, false, tag);
    } catch {
      throw named("OperationError", "The operation failed for an operation-specific reason");
    }
  };
  const signer = async (algorithm, key, data, check, signature) => {
    const name = plain(key.algorithm);
    if (name === "HMAC") return native.hmac(hashOf(key.algorithm), key.raw, bytes(data));
    const manner = name === "RSA-PSS" ? "pss" : name === "ECDSA" ? "p1363" : "";
    const hash = hashOf(name === "ECDSA" ? algorithm : key.algorithm);
    return check ? native.verify(hash, key.pem, manner, bytes(data), bytes(signature)) :
      native.sign(hash, key.pem, manner, bytes(data));
  };
  const derived = async (algorithm, key, bits) => {
    const digest = hashOf(algorithm), size = bits / 8;
    return plain(algorithm) === "HKDF" ? hkdfSync(digest, key.raw, algorithm.salt, algorithm.info, size) :
      exact(pbkdf2Sync(key.raw, algorithm.salt, algorithm.iterations, size, digest));
  };
  const subtle = {
    digest: async (algorithm, data) => native.hash(hashOf(algorithm), bytes(data)),
    async importKey(format, data, algorithm, extractable, usages) {
      const settings = typeof algorithm === "string" ? { name: algorithm } : algorithm;
      const key = { type: "secret", algorithm: settings, extractable, usages };
      if (format === "raw") key.raw = bytes(data);
      else if (format === "jwk" && data.kty === "oct") key.raw = exact(b64(data.k));
      else if (format === "pkcs8") Object.assign(key, { type: "private", pem: pemOf({ key: data, type: "pkcs8" }) });
      else if (format === "spki") Object.assign(key, { type: "public", pem: pemOf({ key: data, type: "spki" }) });
      else throw named("NotSupportedError", `keys in the format ${format} are not provided`);
      return key;
    },
    async exportKey(format, key) {
      if (!key.extractable) throw named("InvalidAccessError", "key is not extractable");
      if (format === "jwk") return { kty: "oct", k: buffer(key.raw).toString("base64url"), key_ops: key.usages, ext: true };
      if (format !== "raw") throw named("NotSupportedError", `keys in the format ${format} are not provided`);
      return key.raw.slice(0);
    },
    generateKey: async (algorithm, extractable, usages) => {
      const size = (algorithm.length ?? { sha1: 512, sha256: 512, sha384: 1024, sha512: 1024 }[hashOf(algorithm)]) / 8;
      if (!/^(AES-|HMAC$)/.test(plain(algorithm))) throw named("NotSupportedError", "only AES and HMAC keys can be made");
      return { type: "secret", algorithm, extractable, usages, raw: exact(randomBytesSync(size)) };
    },
    sign: async (algorithm, key, data) => {
      needs(key, "sign");
      return signer(algorithm, key, data, false);
    },
    verify: async (algorithm, key, signature, data) => {
      needs(key, "verify");
      const made = await signer(algorithm, key, data, true, signature);
      return typeof made === "boolean" ? made : buffer(made).equals(Buffer.from(bytesFrom(signature)));
    },
    encrypt: aes(true),
    decrypt: aes(false),
    deriveBits: derived,
    deriveKey: async (algorithm, key, wanted, extractable, usages) =>
      ({ type: "secret", algorithm: wanted, extractable, usages, raw: await derived(algorithm, key, wanted.length ?? 512) }),
  };

  const webcrypto = { getRandomValues, randomUUID, subtle };
  const module = {
    createHash, createHmac, randomBytes, pseudoRandomBytes: randomBytes, randomUUID, randomInt, timingSafeEqual,
    getRandomValues, randomFillSync: getRandomValues, webcrypto, subtle,
    hash: (name, data, encoding = "hex") => createHash(name).update(data).digest(encoding),
    getHashes: () => ["md5", "ripemd160", "sha1", "sha224", "sha256", "sha384", "sha512", "sha512-256", "sha3-256", "sha3-512"],
    getCiphers: () => ["aes-128-cbc", "aes-192-cbc", "aes-256-cbc", "aes-128-ctr", "aes-256-ctr", "aes-128-ecb",
      "aes-256-ecb", "aes-128-gcm", "aes-192-gcm", "aes-256-gcm", "chacha20-poly1305"],
    createCipheriv, createDecipheriv, createSign: (name) => new Signer(name), createVerify: (name) => new Signer(name),
    sign, verify, createPrivateKey: keyObject("private"), createPublicKey: keyObject("public"),
    createSecretKey: (key, encoding) => ({ type: "secret", secret: Buffer.from(key, encoding) }),
    pbkdf2Sync, pbkdf2: calledBack(pbkdf2Sync), scryptSync, scrypt: calledBack(scryptSync), hkdfSync, hkdf: calledBack(hkdfSync),
    constants: { RSA_PKCS1_PADDING, RSA_PKCS1_PSS_PADDING },
  };

  // ---- jsonwebtoken ----

  const UNITS = { ms: 0.001, s: 1, sec: 1, m: 60, min: 60, h: 3600, hr: 3600, hour: 3600, d: 86400, day: 86400, w: 604800,
    week: 604800, y: 31557600, year: 31557600 };
  /** 60, "60" (ms), "2h", "1 day" in seconds. */
  const seconds = (span) => {
    if (typeof span === "number") return span;
    const [, count, unit] = /^(-?[\d.]+)\s*([a-z]*)$/i.exec(String(span)) ?? [];
    const factor = unit === "" ? UNITS.ms : UNITS[unit?.toLowerCase()] ?? UNITS[unit?.toLowerCase().replace(/s$/, "")];
    if (!factor) throw new Error('"expiresIn" should be a number of seconds or string representing a timespan');
    return Math.floor(count * factor);
  };
  class JsonWebTokenError extends Error {
    constructor(message, fields) {
      super(message);
      this.name = new.target.name;
      Object.assign(this, fields);
    }
  }
  class TokenExpiredError extends JsonWebTokenError {}
  class NotBeforeError extends JsonWebTokenError {}
  const made = (algorithm, text, secret) => {
    const [, family, size] = /^(HS|RS|PS|ES)(256|384|512)$/.exec(algorithm) ?? [];
    if (!family) throw new Error(`"algorithm" must be a valid string enum value: ${algorithm} is none`);
    if (!secret) throw new Error("secretOrPrivateKey must have a value");
    if (family === "HS") return createHmac("sha" + size, secret).update(text).digest("base64url");
    const key = { key: secret.key ?? secret, padding: family === "PS" ? RSA_PKCS1_PSS_PADDING : undefined,
      dsaEncoding: family === "ES" ? "ieee-p1363" : undefined };
    return sign("sha" + size, text, key).toString("base64url");
  };
  const piece = (value) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
  const called = (work) => (...args) => {
    const callback = typeof args.at(-1) === "function" ? args.pop() : null;
    return callback ? calledBack(work)(...args, callback) : work(...args);
  };
  const jsonwebtoken = {
    sign: called((payload, secret, { algorithm = "HS256", expiresIn, notBefore, header = {}, keyid, noTimestamp, ...claims } = {}) => {
      const now = Math.floor(Date.now() / 1000);
      const head = { alg: algorithm, ...(typeof payload === "object" ? { typ: "JWT" } : {}), ...header, ...(keyid ? { kid: keyid } : {}) };
      if (typeof payload !== "object") {
        const text = piece(head) + "." + piece(payload);
        return text + "." + made(algorithm, text, secret);
      }
      const body = { ...payload };
      const from = body.iat ?? now;
      if (noTimestamp) delete body.iat;
      else body.iat = from;
      if (notBefore !== undefined) body.nbf = from + seconds(notBefore);
      if (expiresIn !== undefined) body.exp = from + seconds(expiresIn);
      for (const [key, short] of [["audience", "aud"], ["issuer", "iss"], ["subject", "sub"], ["jwtid", "jti"]]) {
        if (claims[key] !== undefined) body[short] = claims[key];
      }
      const text = piece(head) + "." + piece(body);
      return text + "." + made(algorithm, text, secret);
    }),
    decode(token, options) {
      try {
        const [head, body, signature] = String(token).split(".");
        const header = JSON.parse(b64(head).toString());
        let payload = b64(body).toString();
        if (header.typ === "JWT" || options?.json) payload = JSON.parse(payload);
        return options?.complete ? { header, payload, signature } : payload;
      } catch {
        return null;
      }
    },
    verify: called((token, secret, options = {}) => {
      const found = jsonwebtoken.decode(token, { complete: true });
      if (!found) throw new JsonWebTokenError("jwt malformed");
      const { header: { alg }, payload, signature, header } = found;
      if (options.algorithms && !options.algorithms.includes(alg)) throw new JsonWebTokenError("invalid algorithm");
      const text = String(token).slice(0, String(token).lastIndexOf("."));
      const [, family, size] = /^(HS|RS|PS|ES)(256|384|512)$/.exec(alg) ?? [];
      const pem = typeof secret === "string" && secret.includes("-----BEGIN");
      if (!family || pem === (family === "HS")) throw new JsonWebTokenError("invalid algorithm");
      const right = family === "HS" ? made(alg, text, secret) === signature :
        verify("sha" + size, text, { key: secret, padding: family === "PS" ? RSA_PKCS1_PSS_PADDING : undefined,
          dsaEncoding: family === "ES" ? "ieee-p1363" : undefined }, b64(signature));
      if (!right) throw new JsonWebTokenError("invalid signature");
      const now = options.clockTimestamp ?? Math.floor(Date.now() / 1000), slack = options.clockTolerance ?? 0;
      if (payload.nbf !== undefined && payload.nbf > now + slack) {
        throw new NotBeforeError("jwt not active", { date: new Date(payload.nbf * 1000) });
      }
      if (payload.exp !== undefined && !options.ignoreExpiration && now >= payload.exp + slack) {
        throw new TokenExpiredError("jwt expired", { expiredAt: new Date(payload.exp * 1000) });
      }
      for (const [key, short] of [["audience", "aud"], ["issuer", "iss"], ["subject", "sub"]]) {
        if (options[key] === undefined) continue;
        const wanted = [options[key]].flat(), has = [payload[short]].flat();
        if (!wanted.some((one) => has.some((own) => (one instanceof RegExp ? one.test(own) : one === own)))) {
          throw new JsonWebTokenError(`jwt ${key} invalid. expected: ${wanted.join(" or ")}`);
        }
      }
      return options.complete ? { header, payload, signature } : payload;
    }),
    JsonWebTokenError, TokenExpiredError, NotBeforeError,
  };

  return { module, webcrypto, jsonwebtoken };
})
