import { Storage } from '@google-cloud/storage'
import { PassThrough } from 'stream'
import { createGzip } from 'zlib'
import { createPool } from 'generic-pool'

const pool = createPool({ create: async () => ({ id: Math.random() }), destroy: async () => {} }, { min: 0, max: 1 })

export async function setupPlugin({ attachments, config, global }) {
    const credentials = JSON.parse(attachments.key.contents.toString())
    global.bucket = new Storage({ projectId: credentials.project_id, credentials, apiEndpoint: config.endpoint }).bucket(config.bucket)
}

export async function exportEvents(events, { global }) {
    const through = new PassThrough(), packed = through.pipe(createGzip())
    for (const event of events) through.write(JSON.stringify({ event: event.event }) + '\n')
    through.end()
    const file = global.bucket.file(`events/${events[0].event}.jsonl.gz`)
    await pool.use(async () => await new Promise((resolve, reject) => {
        packed.pipe(file.createWriteStream({ contentType: 'application/gzip' })).on('finish', resolve).on('error', reject)
    }))
    console.log('stored', file.name, pool.size)
}
