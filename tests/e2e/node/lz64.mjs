// Packs texts as old browser clients did: a JSON array on standard input, and one on standard output.
import lz from 'lz-string'
import { readFileSync } from 'node:fs'

const texts = JSON.parse(readFileSync(0, 'utf8'))
console.log(JSON.stringify(texts.map((text) => lz.compressToBase64(text))))
