// `@google-cloud/bigquery`, `pubsub` and `storage` as far as apps use them: their HTTP interfaces, by the
// guarded fetch, with a service account's key. Read by prelude.js when an app first imports one.
(function (tools) {
  "use strict";
  const { Buffer, bytesFrom, fetch, later } = tools;

  const REST = { bigquery: ["https://bigquery.googleapis.com", "https://www.googleapis.com/auth/bigquery"],
    pubsub: ["https://pubsub.googleapis.com", "https://www.googleapis.com/auth/pubsub"],
    storage: ["https://storage.googleapis.com", "https://www.googleapis.com/auth/devstorage.full_control"] };

  const failure = (status, body, text) => {
    const told = body?.error ?? {};
    return Object.assign(new Error(told.message ?? (text || `the service answered ${status}`)),
      { name: "ApiError", code: status, errors: told.errors ?? [], response: body });
  };

  /** Everything may be awaited, or called with a callback as the last argument. */
  const either = (work) => function (...args) {
    const callback = typeof args.at(-1) === "function" ? args.pop() : null;
    const answer = work.apply(this, args);
    if (!callback) return answer;
    answer.then((value) => later(() => callback(null, ...[value].flat())), (error) => later(() => callback(error)));
  };

  class Client {
    #token = null;
    #until = 0;
    constructor(service, options = {}) {
      const [endpoint, scope] = REST[service];
      this.options = options;
      this.scope = scope;
      const own = options.apiEndpoint ?? endpoint;
      this.endpoint = (/^https?:/.test(own) ? own : "https://" + own).replace(/\/$/, "");
      this.projectId = options.projectId ?? options.credentials?.project_id;
    }
    async token() {
      if (this.#until > Date.now()) return this.#token;
      const { client_email, private_key, token_uri = "https://oauth2.googleapis.com/token" } = this.options.credentials ?? {};
      if (!client_email || !private_key) throw new Error("Could not load the default credentials: give credentials.client_email and private_key");
      const assertion = tools.jsonwebtoken.sign({ iss: client_email, scope: this.scope, aud: token_uri }, private_key,
        { algorithm: "RS256", expiresIn: 3600 });
      const answer = await fetch(token_uri, { method: "POST", headers: { "Content-Type": "application/x-www-form-urlencoded" },
        body: `grant_type=${encodeURIComponent("urn:ietf:params:oauth:grant-type:jwt-bearer")}&assertion=${assertion}` });
      const text = await answer.text();
      if (!answer.ok) throw failure(answer.status, undefined, text);
      const told = JSON.parse(text);
      this.#token = told.access_token;
      this.#until = Date.now() + (Number(told.expires_in ?? 3600) - 60) * 1000;
      return this.#token;
    }
    async ask(method, path, body, headers = {}) {
      const answer = await fetch(this.endpoint + path, { method, headers: { Authorization: `Bearer ${await this.token()}`,
        ...(body !== undefined && !headers["Content-Type"] ? { "Content-Type": "application/json" } : {}), ...headers },
      body: body === undefined ? undefined : headers["Content-Type"] ? body : JSON.stringify(body) });
      const bytes = await answer.buffer();
      let told;
      try {
        told = JSON.parse(bytes.toString());
      } catch {
        told = undefined;
      }
      if (!answer.ok) throw failure(answer.status, told, bytes.toString());
      return { told, bytes };
    }
  }
  const part = encodeURIComponent;
  const exists = async (work) => {
    try {
      await work();
      return [true];
    } catch (error) {
      if (error.code === 404) return [false];
      throw error;
    }
  };

  // ---- BigQuery ----

  const fieldsOf = (schema) => typeof schema === "string" ? { fields: schema.split(",").map((one) => {
    const [name, type = "STRING"] = one.trim().split(":");
    return { name, type: type.toUpperCase() };
  }) } : Array.isArray(schema) ? { fields: schema } : schema;
  const plainRow = (value) => {
    if (value instanceof Date) return value.toISOString();
    if (ArrayBuffer.isView(value)) return Buffer.from(bytesFrom(value)).toString("base64");
    if (Array.isArray(value)) return value.map(plainRow);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, plainRow(one)]));
  };
  class Table {
    constructor(dataset, id) {
      Object.assign(this, { dataset, id, metadata: {}, client: dataset.client });
      this.path = `${dataset.path}/tables/${part(id)}`;
    }
  }
  Object.assign(Table.prototype, {
    get: either(async function ({ autoCreate, ...options } = {}) {
      try {
        return [this, await this.load()];
      } catch (error) {
        if (error.code !== 404 || !autoCreate) throw error;
        return this.dataset.createTable(this.id, options);
      }
    }),
    async load() {
      this.metadata = (await this.client.ask("GET", this.path)).told;
      return this.metadata;
    },
    getMetadata: either(async function () { return [await this.load()]; }),
    setMetadata: either(async function (metadata) {
      this.metadata = (await this.client.ask("PATCH", this.path, { ...metadata, schema: fieldsOf(metadata.schema) })).told;
      return [this.metadata];
    }),
    exists: either(function () { return exists(() => this.load()); }),
    delete: either(async function () { return [(await this.client.ask("DELETE", this.path)).told]; }),
    insert: either(async function (rows, { raw, createInsertId = true, ...options } = {}) {
      const given = [rows].flat();
      const list = given.map((row) => raw ? row :
        { ...(createInsertId ? { insertId: tools.crypto.randomUUID() } : {}), json: plainRow(row) });
      const { told } = await this.client.ask("POST", `${this.path}/insertAll`, { rows: list,
        ...(options.ignoreUnknownValues ? { ignoreUnknownValues: true } : {}), ...(options.skipInvalidRows ? { skipInvalidRows: true } : {}) });
      if (!told.insertErrors?.length) return [told];
      const errors = told.insertErrors.map(({ index, errors: why }) => ({ row: given[index], errors: why }));
      throw Object.assign(new Error("A failure occurred during this request."), { name: "PartialFailureError", errors, response: told });
    }),
  });
  class Dataset {
    constructor(client, id) {
      Object.assign(this, { client, id, path: `/bigquery/v2/projects/${part(client.projectId)}/datasets/${part(id)}` });
    }
    table(id) { return new Table(this, id); }
  }
  Object.assign(Dataset.prototype, {
    createTable: either(async function (id, { schema, ...options } = {}) {
      const table = this.table(id);
      table.metadata = (await this.client.ask("POST", `${this.path}/tables`, { ...options, schema: fieldsOf(schema),
        tableReference: { projectId: this.client.projectId, datasetId: this.id, tableId: id } })).told;
      return [table, table.metadata];
    }),
    get: either(async function () { return [this, (await this.client.ask("GET", this.path)).told]; }),
    exists: either(function () { return exists(() => this.client.ask("GET", this.path)); }),
  });
  class BigQuery extends Client {
    constructor(options) { super("bigquery", options); }
    dataset(id) { return new Dataset(this, id); }
  }
  BigQuery.prototype.query = either(async function (asked) {
    const query = typeof asked === "string" ? asked : asked.query;
    const { told } = await this.ask("POST", `/bigquery/v2/projects/${part(this.projectId)}/queries`, { query, useLegacySql: false });
    const fields = told.schema?.fields ?? [];
    return [(told.rows ?? []).map((row) => Object.fromEntries(row.f.map((cell, i) => [fields[i].name, cell.v])))];
  });

  // ---- PubSub ----

  class Topic {
    constructor(client, name) {
      this.client = client;
      this.name = name.includes("/") ? name : `projects/${client.projectId}/topics/${name}`;
    }
  }
  Object.assign(Topic.prototype, {
    publishMessage: either(async function ({ data, json, attributes, orderingKey }) {
      const body = json === undefined ? data ?? "" : JSON.stringify(json);
      const { told } = await this.client.ask("POST", `/v1/${this.name}:publish`, { messages: [{
        data: Buffer.from(bytesFrom(body)).toString("base64"), ...(attributes ? { attributes } : {}), ...(orderingKey ? { orderingKey } : {}) }] });
      return told.messageIds[0];
    }),
    publish: either(function (data, attributes) { return this.publishMessage({ data, attributes }); }),
    publishJSON: either(function (json, attributes) { return this.publishMessage({ json, attributes }); }),
    exists: either(function () { return exists(() => this.client.ask("GET", `/v1/${this.name}`)); }),
    create: either(async function () { return [this, (await this.client.ask("PUT", `/v1/${this.name}`, {})).told]; }),
    get: either(async function ({ autoCreate } = {}) {
      const [there] = await this.exists();
      if (!there && autoCreate) return this.create();
      if (!there) throw Object.assign(new Error(`Resource not found: ${this.name}`), { code: 5 });
      return [this];
    }),
    flush: either(async () => {}),
    setPublishOptions() {},
  });
  class PubSub extends Client {
    constructor(options) { super("pubsub", options); }
    topic(name) { return new Topic(this, name); }
    async close() {}
  }
  PubSub.prototype.createTopic = either(function (name) { return this.topic(name).create(); });

  // ---- Storage ----

  class File {
    constructor(bucket, name) { Object.assign(this, { bucket, name, client: bucket.client }); }
    get path() { return `/storage/v1/b/${part(this.bucket.name)}/o/${part(this.name)}`; }
    createWriteStream(options) {
      const parts = [];
      return new tools.stream.Writable({
        write(data, _, done) { parts.push(data); done(); },
        final: (done) => { this.save(Buffer.concat(parts), options ?? {}).then(() => done(), done); },
      });
    }
  }
  Object.assign(File.prototype, {
    save: either(async function (data, { contentType, metadata, gzip } = {}) {
      let body = Buffer.from(bytesFrom(data));
      if (gzip) body = tools.zlib.gzipSync(body);
      const type = contentType ?? metadata?.contentType ?? "application/octet-stream";
      const encoding = gzip ? "&contentEncoding=gzip" : metadata?.contentEncoding ? `&contentEncoding=${part(metadata.contentEncoding)}` : "";
      await this.client.ask("POST", `/upload/storage/v1/b/${part(this.bucket.name)}/o?uploadType=media&name=${part(this.name)}${encoding}`,
        body, { "Content-Type": type });
    }),
    download: either(async function () { return [(await this.client.ask("GET", `${this.path}?alt=media`)).bytes]; }),
    exists: either(function () { return exists(() => this.client.ask("GET", this.path)); }),
    delete: either(async function () { return [(await this.client.ask("DELETE", this.path)).told]; }),
    getMetadata: either(async function () { return [(await this.client.ask("GET", this.path)).told]; }),
  });
  class Bucket {
    constructor(client, name) { Object.assign(this, { client, name }); }
    file(name) { return new File(this, name); }
  }
  Object.assign(Bucket.prototype, {
    exists: either(function () { return exists(() => this.client.ask("GET", `/storage/v1/b/${part(this.name)}`)); }),
    getFiles: either(async function ({ prefix } = {}) {
      const { told } = await this.client.ask("GET", `/storage/v1/b/${part(this.name)}/o${prefix ? `?prefix=${part(prefix)}` : ""}`);
      return [(told.items ?? []).map((item) => this.file(item.name))];
    }),
  });
  class Storage extends Client {
    constructor(options) { super("storage", options); }
    bucket(name) { return new Bucket(this, name); }
  }

  return { "@google-cloud/bigquery": { BigQuery, Table, Dataset }, "@google-cloud/pubsub": { PubSub, Topic },
    "@google-cloud/storage": { Storage, Bucket, File } };
})
