import { createHmac, timingSafeEqual, createCipheriv, createDecipheriv, pbkdf2Sync } from 'crypto'
import jwt from 'jsonwebtoken'
import { gunzip, gzip } from 'zlib'
import { promisify } from 'util'

const pack = promisify(gzip), unpack = promisify(gunzip)

export async function onEvent(event: any, { config, global }: any): Promise<void> {
    const body = await pack(Buffer.from(JSON.stringify({ event: event.event, uuid: event.uuid })))
    const signature = createHmac('sha256', config.secret).update(body).digest()
    if (!timingSafeEqual(signature, createHmac('sha256', Buffer.from(config.secret)).update(body).digest())) throw new Error('impossible')
    const token = jwt.sign({ sub: event.distinct_id, role: 'relay' }, config.secret, { expiresIn: '5m', issuer: 'plugin' })
    const claims = jwt.verify(token, config.secret, { issuer: 'plugin', algorithms: ['HS256'] }) as { exp: number; iat: number }
    const key = await crypto.subtle.importKey('raw', new TextEncoder().encode(config.secret), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])
    const again = Buffer.from(await crypto.subtle.sign('HMAC', key, body))
    const controller = new AbortController()
    const timer = setTimeout(() => controller.abort(), 5000)
    try {
        const response = await fetch(config.url, {
            method: 'POST', body, signal: controller.signal, redirect: 'follow',
            headers: { 'Content-Encoding': 'gzip', 'X-Signature': `sha256=${signature.toString('hex')}`, 'X-Same': String(again.equals(signature)), 'X-Lasts': String(claims.exp - claims.iat) },
        })
        const answer = JSON.parse((await unpack(await response.buffer())).toString('utf8'))
        console.log('relayed', answer.got, response.status)
    } finally {
        clearTimeout(timer)
    }
}

export function processEvent(event: any, { config }: any) {
    if (!event.properties.card) return event
    const key = pbkdf2Sync(config.secret, 'salt', 1000, 32, 'sha256'), iv = Buffer.alloc(12, 7)
    const cipher = createCipheriv('aes-256-gcm', key, iv)
    const sealed = Buffer.concat([cipher.update(event.properties.card, 'utf8'), cipher.final(), cipher.getAuthTag()])
    const open = createDecipheriv('aes-256-gcm', key, iv).setAuthTag(sealed.subarray(-16))
    const plain = open.update(sealed.subarray(0, -16), undefined, 'utf8') + open.final('utf8')
    event.properties.opened = plain === event.properties.card
    event.properties.card = sealed.toString('base64')
    return event
}
