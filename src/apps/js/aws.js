// `aws-sdk` as far as apps use it: S3, and the services that take JSON (Kinesis, Firehose, SQS, …), by
// the guarded fetch. Requests are signed as AWS asks (Signature Version 4). Read by prelude.js when an
// app first imports it.
(function (tools) {
  "use strict";
  const { Buffer, bytesFrom, exact, fetch, later, named, shown } = tools;
  const { createHash, createHmac } = tools.crypto;

  const sha256 = (data) => createHash("sha256").update(data).digest("hex");
  const hmac = (key, text) => createHmac("sha256", key).update(text).digest();
  const escaped = (text) => encodeURIComponent(text).replace(/[!'()*]/g, (c) => "%" + c.charCodeAt(0).toString(16).toUpperCase());
  const shared = { update(options) { Object.assign(this, options); } };

  function sign({ service, region, keys, method, host, path, query, headers, body }) {
    const now = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
    const day = now.slice(0, 8);
    const all = { ...headers, host, "x-amz-date": now };
    if (service === "s3") all["x-amz-content-sha256"] = sha256(body);
    if (keys.sessionToken) all["x-amz-security-token"] = keys.sessionToken;
    const names = Object.keys(all).sort();
    const text = [method, path, query, ...names.map((name) => `${name}:${String(all[name]).trim()}`), "", names.join(";"),
      sha256(body)].join("\n");
    const scope = `${day}/${region}/${service}/aws4_request`;
    const key = [day, region, service, "aws4_request"].reduce((last, part) => hmac(last, part), "AWS4" + keys.secretAccessKey);
    const signature = hmac(key, ["AWS4-HMAC-SHA256", now, scope, sha256(text)].join("\n")).toString("hex");
    delete all.host;  // the one who sends writes it
    all.authorization = `AWS4-HMAC-SHA256 Credential=${keys.accessKeyId}/${scope}, SignedHeaders=${names.join(";")}, ` +
      `Signature=${signature}`;
    return all;
  }

  const failure = (code, message, statusCode) => Object.assign(named(code, message), { code, statusCode, time: new Date(),
    retryable: statusCode >= 500 || statusCode === 429 });

  /** What every call answers: nothing is sent before send(), promise() or a callback. */
  class Request {
    #work;
    constructor(work) { this.#work = work; }
    promise() { return this.#work(); }
    send(callback) {
      this.#work().then((data) => later(() => callback?.(null, data)), (error) => later(() => callback?.(error, null)));
      return this;
    }
    on() { return this; }
  }

  class Service {
    constructor(name, defaults = {}, options = {}) {
      this.service = name;
      this.config = { region: "us-east-1", maxRetries: 3, ...defaults, ...shared, ...options };
      this.config.update = (more) => Object.assign(this.config, more);
      const endpoint = this.config.endpoint?.href ?? this.config.endpoint;
      const text = endpoint ? (/^https?:/.test(endpoint) ? endpoint : "https://" + endpoint) :
        `https://${this.host(name, this.config.region)}`;
      this.endpoint = new tools.URL(text);
    }
    host(name, region) { return `${name}.${region}.amazonaws.com`; }
    get keys() {
      const keys = this.config.credentials ?? this.config;
      if (!keys.accessKeyId || !keys.secretAccessKey) {
        throw failure("CredentialsError", "Missing credentials in config: accessKeyId and secretAccessKey");
      }
      return keys;
    }
    begin(work, callback) {
      const request = new Request(work);
      if (typeof callback === "function") request.send(callback);
      return request;
    }
    async exchange({ method, host, path, query = "", headers = {}, body }) {
      const pause = (ms) => new Promise((resolve) => tools.setTimeout(resolve, ms));
      for (let attempt = 0; ; attempt++) {
        let answer, thrown;
        try {
          const signed = sign({ service: this.service, region: this.config.region, keys: this.keys, method, host, path, query, headers, body });
          answer = await fetch(`${this.endpoint.protocol}//${host}${path}${query ? "?" + query : ""}`,
            { method, headers: signed, body: method === "GET" || method === "HEAD" ? undefined : body });
        } catch (error) {
          if (error.code === "CredentialsError") throw error;
          thrown = failure("NetworkingError", error.message, undefined);
        }
        if (answer && answer.status < 500 && answer.status !== 429) return answer;
        if (attempt >= this.config.maxRetries) {
          if (thrown) throw thrown;
          return answer;
        }
        await pause(100 * 2 ** attempt);
      }
    }
  }

  // ---- S3 ----

  const HEADERS = { ContentType: "content-type", ContentEncoding: "content-encoding", CacheControl: "cache-control",
    ContentDisposition: "content-disposition", ContentLanguage: "content-language", ContentMD5: "content-md5",
    ACL: "x-amz-acl", StorageClass: "x-amz-storage-class", ServerSideEncryption: "x-amz-server-side-encryption",
    SSEKMSKeyId: "x-amz-server-side-encryption-aws-kms-key-id", Tagging: "x-amz-tagging", IfMatch: "if-match",
    IfNoneMatch: "if-none-match", Range: "range" };
  const QUERIES = { Prefix: "prefix", Delimiter: "delimiter", MaxKeys: "max-keys", StartAfter: "start-after",
    ContinuationToken: "continuation-token" };
  const unescaped = (text) => text.replace(/&(lt|gt|amp|quot|apos);/g, (_, name) => ({ lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" })[name]);
  const tag = (xml, name) => {
    const found = new RegExp(`<${name}>([^]*?)</${name}>`).exec(xml);
    return found ? unescaped(found[1]) : undefined;
  };

  class S3 extends Service {
    constructor(options) { super("s3", {}, options); }
    host(name, region) { return region === "us-east-1" ? "s3.amazonaws.com" : `s3.${region}.amazonaws.com`; }
    async #send(method, params, query, body) {
      if (!params?.Bucket) throw failure("MissingRequiredParameter", "Missing required key 'Bucket' in params");
      const headers = {};
      for (const [key, name] of Object.entries(HEADERS)) if (params[key] !== undefined) headers[name] = String(params[key]);
      for (const [key, value] of Object.entries(params.Metadata ?? {})) headers["x-amz-meta-" + key.toLowerCase()] = value;
      const { host, hostname } = this.endpoint;
      const inPath = this.config.s3ForcePathStyle || params.Bucket.includes(".") || /^[\d.]+$|^\[|^localhost$/.test(hostname);
      const key = (params.Key ?? "").split("/").map(escaped).join("/");
      const folder = this.endpoint.pathname.replace(/\/$/, "");
      const path = folder + (inPath ? `/${params.Bucket}` : "") + "/" + key;
      const answer = await this.exchange({ method, host: inPath ? host : `${params.Bucket}.${host}`, path, query, headers,
        body: Buffer.from(bytesFrom(body ?? "")) });
      if (answer.status < 300) return answer;
      const xml = await answer.text();
      throw failure(tag(xml, "Code") ?? (answer.status === 404 ? "NotFound" : "UnknownError"),
        tag(xml, "Message") ?? answer.statusText, answer.status);
    }
    async #put(params) {
      if (params.Key === undefined) throw failure("MissingRequiredParameter", "Missing required key 'Key' in params");
      let body = params.Body;
      if (typeof body?.[Symbol.asyncIterator] === "function") {
        const parts = [];
        for await (const part of body) parts.push(Buffer.from(part));
        body = Buffer.concat(parts);
      }
      return this.#send("PUT", params, "", body);
    }
    putObject(params, callback) {
      return this.begin(async () => {
        const answer = await this.#put(params);
        return { ETag: answer.headers.get("etag") ?? undefined, VersionId: answer.headers.get("x-amz-version-id") ?? undefined };
      }, callback);
    }
    upload(params, options, callback = options) {
      return this.begin(async () => {
        const answer = await this.#put(params);
        return { ETag: answer.headers.get("etag") ?? undefined, Location: answer.url, Bucket: params.Bucket, Key: params.Key, key: params.Key };
      }, callback);
    }
    getObject(params, callback) {
      return this.begin(async () => {
        const answer = await this.#send("GET", params, "");
        const Body = await answer.buffer();
        return { Body, ContentLength: Body.length, ContentType: answer.headers.get("content-type") ?? undefined,
          ETag: answer.headers.get("etag") ?? undefined, LastModified: new Date(answer.headers.get("last-modified")) };
      }, callback);
    }
    headObject(params, callback) {
      return this.begin(async () => {
        const answer = await this.#send("HEAD", params, "");
        return { ContentLength: Number(answer.headers.get("content-length")), ETag: answer.headers.get("etag") ?? undefined,
          ContentType: answer.headers.get("content-type") ?? undefined };
      }, callback);
    }
    headBucket(params, callback) {
      return this.begin(async () => {
        await this.#send("HEAD", params, "");
        return {};
      }, callback);
    }
    deleteObject(params, callback) {
      return this.begin(async () => {
        await this.#send("DELETE", params, "");
        return {};
      }, callback);
    }
    listObjectsV2(params, callback) {
      return this.begin(async () => {
        const asked = [["list-type", "2"], ...Object.entries(QUERIES).filter(([key]) => params[key] !== undefined)
          .map(([key, name]) => [name, String(params[key])])];
        const query = asked.map(([name, value]) => `${escaped(name)}=${escaped(value)}`).sort().join("&");
        const xml = await (await this.#send("GET", params, query)).text();
        const Contents = [...xml.matchAll(/<Contents>([^]*?)<\/Contents>/g)].map(([, one]) => ({ Key: tag(one, "Key"),
          Size: Number(tag(one, "Size")), ETag: tag(one, "ETag"), LastModified: new Date(tag(one, "LastModified")) }));
        return { Contents, KeyCount: Contents.length, IsTruncated: tag(xml, "IsTruncated") === "true",
          NextContinuationToken: tag(xml, "NextContinuationToken"), Name: params.Bucket, Prefix: params.Prefix };
      }, callback);
    }
  }

  // ---- Services that take JSON ----

  /** Bytes travel as base64; of the fields named `Data` so does text. */
  const packed = (value, key) => {
    if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return Buffer.from(exact(bytesFrom(value))).toString("base64");
    if (typeof value === "string" && (key === "Data" || key === "Blob")) return Buffer.from(value).toString("base64");
    if (value instanceof Date) return value.getTime() / 1000;
    if (Array.isArray(value)) return value.map((one) => packed(one));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, packed(one, name)]));
  };
  const unpacked = (value) => {
    if (Array.isArray(value)) return value.map(unpacked);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, one]) =>
      [name, name === "Data" && typeof one === "string" ? Buffer.from(one, "base64") : unpacked(one)]));
  };
  const jsonService = (service, target, version, operations) => {
    const Made = class extends Service {
      constructor(options) { super(service, {}, options); }
      async call(operation, params) {
        const body = Buffer.from(JSON.stringify(packed(params ?? {})));
        const answer = await this.exchange({ method: "POST", host: this.endpoint.host, path: "/", body,
          headers: { "content-type": `application/x-amz-json-${version}`, "x-amz-target": `${target}.${operation}` } });
        const text = await answer.text();
        const told = text ? JSON.parse(text) : {};
        if (answer.status < 300) return unpacked(told);
        throw failure(String(told.__type ?? "UnknownError").replace(/^.*#/, ""), told.message ?? told.Message ?? answer.statusText, answer.status);
      }
    };
    for (const operation of operations) {
      Made.prototype[operation[0].toLowerCase() + operation.slice(1)] = function (params, callback) {
        if (typeof params === "function") [callback, params] = [params, {}];
        return this.begin(() => this.call(operation, params), callback);
      };
    }
    return Made;
  };
  const services = {
    Kinesis: jsonService("kinesis", "Kinesis_20131202", "1.1", ["PutRecord", "PutRecords", "GetRecords", "GetShardIterator",
      "ListShards", "ListStreams", "DescribeStream", "DescribeStreamSummary"]),
    Firehose: jsonService("firehose", "Firehose_20150804", "1.1", ["PutRecord", "PutRecordBatch", "DescribeDeliveryStream",
      "ListDeliveryStreams"]),
    SQS: jsonService("sqs", "AmazonSQS", "1.0", ["SendMessage", "SendMessageBatch", "ReceiveMessage", "DeleteMessage",
      "GetQueueUrl", "GetQueueAttributes"]),
    EventBridge: jsonService("events", "AWSEvents", "1.1", ["PutEvents"]),
    DynamoDB: jsonService("dynamodb", "DynamoDB_20120810", "1.0", ["PutItem", "GetItem", "UpdateItem", "DeleteItem", "Query",
      "Scan", "BatchWriteItem", "DescribeTable"]),
    SecretsManager: jsonService("secretsmanager", "secretsmanager", "1.1", ["GetSecretValue"]),
  };

  const Credentials = class {
    constructor(first, secretAccessKey, sessionToken) {
      Object.assign(this, typeof first === "object" ? first : { accessKeyId: first, secretAccessKey, sessionToken });
    }
  };
  const module = { S3, ...services, Credentials, config: shared,
    Endpoint: class { constructor(text) { this.href = /^https?:/.test(text) ? text : "https://" + text; } } };
  return { module: new Proxy(module, {
    get: (own, key) => {
      if (key in own || typeof key === "symbol" || ["then", "default", "__esModule", "toJSON"].includes(key)) return own[key];
      return class { constructor() { throw new Error(`'aws-sdk' has no ${shown(key)} in Penstock: use fetch`); } };
    } }) };
})
