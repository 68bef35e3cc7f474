import { createBuffer } from '@posthog/plugin-contrib'
import { Plugin, PluginMeta, ProcessedPluginEvent } from '@posthog/plugin-scaffold'
import { S3 } from 'aws-sdk'
import { ManagedUpload } from 'aws-sdk/clients/s3'
import { randomBytes } from 'crypto'
import { brotliCompressSync, gzipSync } from 'zlib'

type Bucket = Plugin<{
    global: { s3: S3; buffer: ReturnType<typeof createBuffer>; ignore: Set<string> }
    config: Record<'key' | 'secret' | 'region' | 'bucket' | 'endpoint' | 'prefix' | 'ignore' | 'compression', string>
    jobs: { upload: Batch }
}>
interface Batch { batch: ProcessedPluginEvent[]; id: number; retries: number }

export const jobs: Bucket['jobs'] = { upload: async (payload, meta) => await send(payload as Batch, meta as PluginMeta<Bucket>) }

export const setupPlugin: Bucket['setupPlugin'] = (meta) => {
    const { global, config } = meta
    for (const name of ['key', 'secret', 'region', 'bucket'] as const) if (!config[name]) throw new Error(`${name} is missing!`)
    global.s3 = new S3({ accessKeyId: config.key, secretAccessKey: config.secret, region: config.region, maxRetries: 0,
        ...(config.endpoint ? { endpoint: config.endpoint, s3ForcePathStyle: true, signatureVersion: 'v4' } : {}) })
    global.ignore = new Set(config.ignore ? config.ignore.split(',').map((event) => event.trim()) : null)
    global.buffer = createBuffer({
        limit: 5 * 1024 * 1024, timeoutSeconds: 1,
        onFlush: async (batch) => await send({ batch, id: Math.floor(Math.random() * 1000000), retries: 0 }, meta as PluginMeta<Bucket>),
    })
}

export const teardownPlugin: Bucket['teardownPlugin'] = ({ global }) => global.buffer.flush()

export const onEvent: Bucket['onEvent'] = (event, { global }) => {
    if (!global.ignore.has(event.event)) global.buffer.add(event, JSON.stringify(event).length)
}

async function send(payload: Batch, meta: PluginMeta<Bucket>): Promise<void> {
    const { global, config, jobs } = meta
    const [day, time] = new Date().toISOString().split('T')
    const params: S3.PutObjectRequest = {
        Bucket: config.bucket, ContentType: 'application/x-ndjson', Metadata: { Count: String(payload.batch.length) },
        Key: `${config.prefix || ''}${day}/${time.replace(/[:.]/g, '')}-${randomBytes(4).toString('hex')} (1).jsonl`,
        Body: Buffer.from(payload.batch.map((event) => JSON.stringify(event)).join('\n'), 'utf8'),
    }
    if (config.compression === 'gzip') [params.Key, params.Body] = [`${params.Key}.gz`, gzipSync(params.Body as Buffer)]
    if (config.compression === 'brotli') [params.Key, params.Body] = [`${params.Key}.br`, brotliCompressSync(params.Body as Buffer)]
    console.log(`Flushing ${payload.batch.length} events!`)
    global.s3.upload(params, async (err: Error, data: ManagedUpload.SendData) => {
        if (err) {
            console.error(`Error uploading to S3: ${err.message}`)
            if (payload.retries >= 15) return
            await jobs.upload({ ...payload, retries: payload.retries + 1 }).runIn(1, 'second')
            return
        }
        console.log(`Uploaded to ${data.Bucket}, ${data.Key.endsWith('.gz') ? 'packed' : 'plain'}`)
    })
}
