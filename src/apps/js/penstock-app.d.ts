// What an app of Penstock is given and may export: PostHog's plugin interface, as it is here.
//
// Editors read this file; nothing is loaded from it. What runs: docs/apps/ENGINE.md.

/** Any JSON value. */
type Json = string | number | boolean | null | Json[] | { [key: string]: Json }

interface PropertyValues {
  /** The address the event came from, where it is known. */
  $ip?: string
  $current_url?: string
  $host?: string
  $pathname?: string
  $referrer?: string
  $referring_domain?: string
  $session_id?: string
  $window_id?: string
  $device_id?: string
  $user_id?: string
  $browser?: string
  $browser_version?: number | string
  $os?: string
  $os_version?: string
  $device_type?: string
  $lib?: string
  $lib_version?: string
  /** The groups it belongs to: a key for each type. */
  $groups?: Record<string, string>
  /** Written to the person, over what it has. */
  $set?: Record<string, any>
  /** Written to the person where it has nothing yet. */
  $set_once?: Record<string, any>
  $unset?: string[]
  [property: string]: any
}

/** An event on its way in. What `processEvent` answers is stored in its place. */
interface PluginEvent {
  uuid: string
  event: string
  distinct_id: string
  properties?: PropertyValues
  /** ISO 8601. */
  timestamp?: string
  /** When Penstock received it, ISO 8601. */
  now: string
  sent_at?: string
  offset?: number
  ip: string | null
  site_url: string
  /** The project; changing it is undone and counts as a failure. */
  team_id: number
  $set?: Record<string, any>
  $set_once?: Record<string, any>
}

interface EventElement {
  tag_name?: string
  text?: string
  href?: string
  attr_id?: string
  attr_class?: string[]
  nth_child?: number
  nth_of_type?: number
  order?: number
  attributes?: Record<string, string>
}

interface EventPerson {
  uuid: string
  team_id: number
  properties: Record<string, any>
  /** ISO 8601. */
  created_at: string
}

/** An event that is stored, as `onEvent` and `exportEvents` see it. */
interface ProcessedPluginEvent {
  uuid: string
  event: string
  distinct_id: string
  team_id: number
  ip: string | null
  properties: PropertyValues
  /** ISO 8601. */
  timestamp: string
  $set?: Record<string, any>
  $set_once?: Record<string, any>
  elements?: EventElement[]
  elements_chain?: string
  /** Not there for events without a person. */
  person?: EventPerson
  groups?: Record<string, { type: string; key: string }>
}

/** The same for `composeWebhook`: with a Date, and `$elements_chain` among the properties. */
interface PostHogEvent extends Omit<ProcessedPluginEvent, 'timestamp'> {
  timestamp: Date
}

interface Webhook {
  url: string
  /** What is no text is sent as JSON. */
  body?: string | Json
  headers?: Record<string, string>
  /** POST, if it is not given. */
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
}

interface PluginAttachment {
  content_type: string
  file_name: string
  contents: Buffer
}

interface CacheOptions {
  /** False: the value is kept as a text and not as JSON. */
  jsonSerialize?: boolean
}

/** Forgetful and fast; shared by this app's configurations in a project. */
interface CacheExtension {
  set(key: string, value: unknown, ttlSeconds?: number, options?: CacheOptions): Promise<void>
  /** Null for what is not there: the default is what PostHog ignores too. */
  get(key: string, defaultValue: unknown, options?: CacheOptions): Promise<any>
  incr(key: string): Promise<number>
  expire(key: string, ttlSeconds: number): Promise<boolean>
  /** At most 1,000 items; they become texts. */
  lpush(key: string, elements: string | string[]): Promise<number>
  lrange(key: string, startIndex: number, endIndex: number): Promise<string[]>
  llen(key: string): Promise<number>
  lpop(key: string, count: number): Promise<string[]>
  lrem(key: string, count: number, element: string): Promise<number>
}

/** Kept until it is deleted; each configuration has its own. */
interface StorageExtension {
  set(key: string, value: unknown): Promise<void>
  get(key: string, defaultValue: unknown): Promise<any>
  del(key: string): Promise<void>
}

interface GeoIPPlace {
  city?: { names?: { en?: string } }
  country?: { isoCode?: string; names?: { en?: string } }
  continent?: { code?: string; names?: { en?: string } }
  postal?: { code?: string }
  location?: { latitude?: number; longitude?: number; timeZone?: string; accuracyRadius?: number }
  subdivisions?: { isoCode?: string; names?: { en?: string } }[]
}

interface GeoIPExtension {
  /** Null: not a known address, or Penstock has no database (`apps.geoip_file`). */
  locate(ip: string): Promise<GeoIPPlace | null>
}

type TimeUnit =
  | 'milliseconds' | 'seconds' | 'minutes' | 'hours' | 'days' | 'weeks' | 'months' | 'quarters' | 'years'
  | 'millisecond' | 'second' | 'minute' | 'hour' | 'day' | 'week' | 'month' | 'quarter' | 'year'

interface JobControls {
  runNow(): Promise<void>
  runIn(duration: number, unit: TimeUnit): Promise<void>
  runAt(date: Date): Promise<void>
}

interface MetricControls {
  /** Of a metric declared as `sum`. */
  increment(value: number): Promise<void>
  /** Of a metric declared as `max`. */
  max(value: number): Promise<void>
  /** Of a metric declared as `min`. */
  min(value: number): Promise<void>
}

interface UtilsExtension {
  cursor: {
    /** Sets it, if it is not there yet. */
    init(key: string, initialValue?: number): Promise<void>
    /** What it is after adding, at once for all who ask. */
    increment(key: string, incrementBy?: number): Promise<number>
  }
}

interface PluginInput {
  config?: Record<string, any>
  attachments?: Record<string, PluginAttachment | undefined>
  global?: Record<string, any>
  jobs?: Record<string, any>
  metrics?: Record<string, any>
}

/** Values of plugin.json's `config`. */
interface PluginConfig {
  [key: string]: any
}

/** The last argument of every function that Penstock calls. */
interface PluginMeta<Input extends PluginInput = {}> {
  /** The values of this configuration, texts as PostHog has them. */
  config: Input extends { config: infer Config } ? Config : PluginConfig
  attachments: Input extends { attachments: infer Files } ? Files : Record<string, PluginAttachment | undefined>
  /** Yours, for as long as this app runs; begins as {}. */
  global: Input extends { global: infer Global } ? Global : Record<string, any>
  cache: CacheExtension
  storage: StorageExtension
  geoip: GeoIPExtension
  /** `jobs.retry({ id }).runIn(5, 'minutes')` calls what the app exports as `jobs.retry`. */
  jobs: Record<string, (payload?: any) => JobControls>
  /** Those that the app exports as `metrics`. */
  metrics: Record<string, MetricControls>
  utils: UtilsExtension
}
/** PostHog's `Meta<P>` takes the plugin's type or what it is made of. */
type MetaInput<T> = T extends Plugin<infer Input> ? (T extends PluginInput ? T : Input) : T extends PluginInput ? T : {}

type Eventually<T> = T | Promise<T>

/** What an app may export; every function is called with `meta` last. */
interface Plugin<Input extends PluginInput = {}> {
  /** Once, before anything else. If it throws, the app is loaded again later. */
  setupPlugin?(meta: PluginMeta<Input>): Eventually<void>
  /** When it is changed, switched off, or Penstock stops. */
  teardownPlugin?(meta: PluginMeta<Input>): Eventually<void>
  /** Every event before it is stored. Answer it, changed or not; answer nothing and it is dropped. */
  processEvent?(event: PluginEvent, meta: PluginMeta<Input>): Eventually<PluginEvent | null | undefined | void>
  /** Used where there is no processEvent. */
  processEventBatch?(events: PluginEvent[], meta: PluginMeta<Input>): Eventually<PluginEvent[]>
  /** Every stored event, at least once. A RetryError is tried again. */
  onEvent?(event: ProcessedPluginEvent, meta: PluginMeta<Input>): Eventually<void>
  /** Stored events in batches. A RetryError is tried again, sixteen times at most. */
  exportEvents?(events: ProcessedPluginEvent[], meta: PluginMeta<Input>): Eventually<void>
  /** What to send for a stored event; null: nothing. */
  composeWebhook?(event: PostHogEvent, meta: PluginMeta<Input>): Eventually<Webhook | null | undefined>
  getSettings?(meta: PluginMeta<Input>): Eventually<{ handlesLargeBatches?: boolean }>
  /** At the turn of the minute, hour, day (UTC). */
  runEveryMinute?(meta: PluginMeta<Input>): Eventually<void>
  runEveryHour?(meta: PluginMeta<Input>): Eventually<void>
  runEveryDay?(meta: PluginMeta<Input>): Eventually<void>
  /** What `meta.jobs` starts. */
  jobs?: Record<string, (payload: any, meta: PluginMeta<Input>) => Eventually<void>>
  /** What `meta.metrics` counts. */
  metrics?: Record<string, 'sum' | 'max' | 'min'>
}

// ---- Globals ----

interface Console {
  /** A line in the app's log. */
  log(...args: unknown[]): void
  debug(...args: unknown[]): void
  info(...args: unknown[]): void
  warn(...args: unknown[]): void
  error(...args: unknown[]): void
  trace(...args: unknown[]): void
}
declare const console: Console

interface ApiOptions {
  /** Sent as JSON; of `get`, as the query. */
  data?: Record<string, any>
  headers?: Record<string, string>
  host?: string
  /** With personalApiKey, or neither. */
  projectApiKey?: string
  personalApiKey?: string
}
interface PostHogGlobal {
  /** A new event of this project, by the same way as all others. */
  capture(event: string, properties?: Record<string, any> & { distinct_id?: string; timestamp?: string }): Promise<void>
  api: {
    get(path: string, options?: ApiOptions): Promise<Response>
    post(path: string, options?: ApiOptions): Promise<Response>
    put(path: string, options?: ApiOptions): Promise<Response>
    delete(path: string, options?: ApiOptions): Promise<Response>
  }
}
declare const posthog: PostHogGlobal

/** Thrown by onEvent, exportEvents and composeWebhook: it is tried again later. */
declare class RetryError extends Error {
  constructor(message?: string)
}

type HeadersInit = Headers | Record<string, string> | Iterable<[string, string]>
declare class Headers {
  constructor(init?: HeadersInit)
  append(name: string, value: string): void
  set(name: string, value: string): void
  get(name: string): string | null
  has(name: string): boolean
  delete(name: string): void
  forEach(visit: (value: string, name: string) => void): void
  raw(): Record<string, string[]>
  keys(): IterableIterator<string>
  values(): IterableIterator<string>
  entries(): IterableIterator<[string, string]>
  [Symbol.iterator](): IterableIterator<[string, string]>
}
declare class Response {
  constructor(body?: string | ArrayBuffer | Uint8Array | null, init?: { status?: number; statusText?: string; headers?: HeadersInit })
  readonly status: number
  readonly statusText: string
  /** A status of 200 to 299. */
  readonly ok: boolean
  readonly headers: Headers
  readonly url: string
  readonly redirected: boolean
  readonly bodyUsed: boolean
  text(): Promise<string>
  json(): Promise<any>
  arrayBuffer(): Promise<ArrayBuffer>
  buffer(): Promise<Buffer>
  clone(): Response
}
interface RequestInit {
  method?: string
  headers?: HeadersInit
  body?: string | ArrayBuffer | Uint8Array | URLSearchParams | null
  redirect?: 'follow' | 'manual' | 'error'
  follow?: number
  /** Milliseconds, 30,000 at most. */
  timeout?: number
  signal?: AbortSignal
}
/** Addresses that are not public are refused; answers have 16 MiB at most. */
declare function fetch(url: string | URL, options?: RequestInit): Promise<Response>

declare class AbortSignal {
  readonly aborted: boolean
  readonly reason: any
  onabort: ((event: { type: 'abort' }) => void) | null
  addEventListener(type: 'abort', listener: (event: { type: 'abort' }) => void): void
  removeEventListener(type: 'abort', listener: (event: { type: 'abort' }) => void): void
  throwIfAborted(): void
  static timeout(ms: number): AbortSignal
}
declare class AbortController {
  readonly signal: AbortSignal
  abort(reason?: any): void
}

declare class Blob {
  constructor(parts?: Iterable<string | ArrayBuffer | ArrayBufferView | Blob>, options?: { type?: string })
  readonly size: number
  readonly type: string
  text(): Promise<string>
  arrayBuffer(): Promise<ArrayBuffer>
  bytes(): Promise<Uint8Array>
  slice(start?: number, end?: number, type?: string): Blob
}
declare class File extends Blob {
  constructor(parts: Iterable<string | ArrayBuffer | ArrayBufferView | Blob>, name: string, options?: { type?: string; lastModified?: number })
  readonly name: string
  readonly lastModified: number
}
/** As the body of a fetch it is sent as multipart/form-data. */
declare class FormData implements Iterable<[string, string | File]> {
  append(name: string, value: string | Blob, filename?: string): void
  set(name: string, value: string | Blob, filename?: string): void
  get(name: string): string | File | null
  getAll(name: string): (string | File)[]
  has(name: string): boolean
  delete(name: string): void
  forEach(visit: (value: string | File, name: string, form: FormData) => void): void
  keys(): IterableIterator<string>
  values(): IterableIterator<string | File>
  entries(): IterableIterator<[string, string | File]>
  [Symbol.iterator](): IterableIterator<[string, string | File]>
}

declare class URLSearchParams {
  constructor(init?: string | Record<string, string> | Iterable<[string, string]>)
  append(name: string, value: string): void
  delete(name: string): void
  get(name: string): string | null
  getAll(name: string): string[]
  has(name: string): boolean
  set(name: string, value: string): void
  sort(): void
  toString(): string
  forEach(visit: (value: string, name: string) => void): void
  keys(): IterableIterator<string>
  values(): IterableIterator<string>
  entries(): IterableIterator<[string, string]>
  [Symbol.iterator](): IterableIterator<[string, string]>
}
declare class URL {
  constructor(url: string, base?: string | URL)
  hash: string
  host: string
  hostname: string
  href: string
  readonly origin: string
  password: string
  pathname: string
  port: string
  protocol: string
  search: string
  readonly searchParams: URLSearchParams
  username: string
  toString(): string
  toJSON(): string
}

type BufferEncoding = 'utf8' | 'utf-8' | 'hex' | 'base64' | 'base64url' | 'latin1' | 'binary' | 'ascii'
interface Buffer extends Uint8Array {
  toString(encoding?: BufferEncoding, start?: number, end?: number): string
  equals(other: Uint8Array): boolean
  compare(other: Uint8Array): number
  write(text: string, offset?: number): number
}
interface BufferConstructor {
  from(data: string | ArrayBuffer | Uint8Array | number[], encoding?: BufferEncoding): Buffer
  alloc(size: number, fill?: number | string): Buffer
  concat(list: Uint8Array[], totalLength?: number): Buffer
  isBuffer(value: unknown): value is Buffer
  byteLength(text: string, encoding?: BufferEncoding): number
}
declare var Buffer: BufferConstructor
declare class TextEncoder {
  encode(text?: string): Uint8Array
}
declare class TextDecoder {
  constructor(label?: string)
  decode(bytes?: ArrayBuffer | Uint8Array): string
}
declare function atob(text: string): string
declare function btoa(text: string): string
declare function structuredClone<T>(value: T): T

interface Timer {
  readonly id: number
}
declare function setTimeout(callback: (...args: any[]) => void, ms?: number, ...args: any[]): Timer
declare function clearTimeout(timer: Timer | undefined): void
declare function setInterval(callback: (...args: any[]) => void, ms?: number, ...args: any[]): Timer
declare function clearInterval(timer: Timer | undefined): void
declare function setImmediate(callback: (...args: any[]) => void, ...args: any[]): Timer
declare function clearImmediate(timer: Timer | undefined): void

declare const crypto: {
  randomUUID(): string
  getRandomValues<T extends Uint8Array>(view: T): T
}
declare const performance: { readonly timeOrigin: number; now(): number }

declare const module: { exports: any }
declare const exports: any
declare function require(name: string): any

// ---- Imports ----

interface GlobalClasses {
  RetryError: typeof RetryError
  Headers: typeof Headers
  Response: typeof Response
  URL: typeof URL
  URLSearchParams: typeof URLSearchParams
  TextEncoder: typeof TextEncoder
  TextDecoder: typeof TextDecoder
}

declare module '@posthog/plugin-scaffold' {
  export type Plugin<Input extends globalThis.PluginInput = {}> = globalThis.Plugin<Input>
  export type PluginMeta<Input = {}> = globalThis.PluginMeta<MetaInput<Input>>
  export type Meta<Input = {}> = globalThis.PluginMeta<MetaInput<Input>>
  export type PluginEvent = globalThis.PluginEvent
  export type ProcessedPluginEvent = globalThis.ProcessedPluginEvent
  export type PostHogEvent = globalThis.PostHogEvent
  export type Webhook = globalThis.Webhook
  export type PluginAttachment = globalThis.PluginAttachment
  export type CacheExtension = globalThis.CacheExtension
  export type StorageExtension = globalThis.StorageExtension
  export type GeoIPExtension = globalThis.GeoIPExtension
  export type UtilsExtension = globalThis.UtilsExtension
  export type PluginInput = globalThis.PluginInput
  export type Properties = globalThis.PropertyValues
  export type Response = globalThis.Response
  export const RetryError: GlobalClasses['RetryError']
  export type RetryError = globalThis.RetryError
  export enum MetricsOperation {
    Increment = 'increment',
    Max = 'max',
    Min = 'min',
    Sum = 'sum',
  }
}

declare module '@posthog/plugin-contrib' {
  interface BufferOptions<T> {
    /** Points; one more item is flushed with what is there. */
    limit?: number
    timeoutSeconds?: number
    onFlush?(items: T[], points: number): Eventually<void>
  }
  /** Collects items in memory: what is in it is lost when the app stops. */
  export function createBuffer<T = any>(options: BufferOptions<T>): {
    add(item: T, points?: number): void
    flush(): Promise<void>
  }
}

declare module 'node-fetch' {
  const fetch: typeof globalThis.fetch
  export default fetch
  export const Headers: GlobalClasses['Headers']
  export type Headers = globalThis.Headers
  export const Response: GlobalClasses['Response']
  export type Response = globalThis.Response
  export type RequestInit = globalThis.RequestInit
}

declare module 'crypto' {
  type Bytes = string | ArrayBuffer | Uint8Array
  interface Hash {
    update(data: Bytes, encoding?: BufferEncoding): Hash
    digest(): Buffer
    digest(encoding: BufferEncoding): string
  }
  type HashName = 'md5' | 'sha1' | 'sha224' | 'sha256' | 'sha384' | 'sha512'
  export function createHash(name: HashName): Hash
  export function createHmac(name: HashName, key: Bytes): Hash
  export function randomBytes(size: number): Buffer
  export function randomUUID(): string
  export function randomInt(max: number): number
  export function randomInt(min: number, max: number): number
  export function timingSafeEqual(a: Uint8Array, b: Uint8Array): boolean
  export function getHashes(): HashName[]
}

declare module 'url' {
  interface UrlParts {
    href: string
    protocol: string | null
    host: string | null
    hostname: string | null
    port: string | null
    pathname: string | null
    search: string | null
    query: string | null
    hash: string | null
    path: string | null
  }
  export const URL: GlobalClasses['URL']
  export type URL = globalThis.URL
  export const URLSearchParams: GlobalClasses['URLSearchParams']
  export type URLSearchParams = globalThis.URLSearchParams
  export function parse(text: string): UrlParts
  export function format(url: URL | UrlParts): string
}

declare module 'zlib' {
  type Bytes = string | ArrayBuffer | Uint8Array
  type Done = (error: Error | null, result: Buffer) => void
  export function gzipSync(data: Bytes): Buffer
  export function gunzipSync(data: Bytes): Buffer
  export function deflateSync(data: Bytes): Buffer
  export function inflateSync(data: Bytes): Buffer
  export function deflateRawSync(data: Bytes): Buffer
  export function inflateRawSync(data: Bytes): Buffer
  export function gzip(data: Bytes, done: Done): void
  export function gunzip(data: Bytes, done: Done): void
  export function deflate(data: Bytes, done: Done): void
  export function inflate(data: Bytes, done: Done): void
  export function deflateRaw(data: Bytes, done: Done): void
  export function inflateRaw(data: Bytes, done: Done): void
}

declare module 'buffer' {
  export const Buffer: typeof globalThis.Buffer
  export type Buffer = globalThis.Buffer
}

declare module 'util' {
  export function promisify(f: (...args: any[]) => void): (...args: any[]) => Promise<any>
  export function inspect(value: unknown): string
  export function format(...args: unknown[]): string
  export function isDeepStrictEqual(a: unknown, b: unknown): boolean
  export const TextEncoder: GlobalClasses['TextEncoder']
  export const TextDecoder: GlobalClasses['TextDecoder']
}

declare module 'events' {
  export class EventEmitter {
    on(type: string, listener: (...args: any[]) => void): this
    once(type: string, listener: (...args: any[]) => void): this
    off(type: string, listener: (...args: any[]) => void): this
    emit(type: string, ...args: any[]): boolean
  }
  export default EventEmitter
}

declare module 'stream' {
  export class PassThrough {
    on(type: 'data' | 'end' | 'finish', listener: (...args: any[]) => void): this
    write(data: string | Uint8Array): boolean
    end(data?: string | Uint8Array): this
    pipe<T>(to: T): T
  }
  export { PassThrough as Transform }
}

declare module 'generic-pool' {
  export function createPool<T>(
    factory: { create(): Eventually<T>; destroy?(item: T): Eventually<void> },
    options?: { max?: number },
  ): {
    acquire(): Promise<T>
    release(item: T): Promise<void>
    destroy(item: T): Promise<void>
    use<R>(work: (item: T) => Eventually<R>): Promise<R>
    drain(): Promise<void>
    clear(): Promise<void>
  }
}

declare module 'jsonwebtoken' {
  interface SignOptions {
    algorithm?: 'HS256' | 'HS384' | 'HS512'
    /** Seconds. */
    expiresIn?: number
    header?: Record<string, any>
    noTimestamp?: boolean
    audience?: string
    issuer?: string
    subject?: string
    jwtid?: string
  }
  export function sign(payload: Record<string, any>, secret: string | Uint8Array, options?: SignOptions): string
  export function decode(token: string): Record<string, any> | null
  export function verify(token: string, secret: string | Uint8Array): Record<string, any>
}
