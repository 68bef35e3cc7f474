// node speed.mjs FILE RUNS: a program on PostHog's published Hog machine, JSON text in and out;
// prints microseconds of CPU per run. FILE is what `bench_hog program` prints.
import crypto from 'node:crypto'
import fs from 'node:fs'

import hogvm from '@posthog/hogvm'

const { bytecode, event, place } = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'))
const text = JSON.stringify(event)
const options = {
  timeout: 3000,
  functions: { geoipLookup: () => place },
  asyncFunctions: {},
  external: { crypto },
}
let bytes = 0
function run(times) {
  for (let i = 0; i < times; i++) {
    const outcome = hogvm.exec(bytecode, { ...options, globals: { event: JSON.parse(text), inputs: {} } })
    if (!outcome.finished) throw outcome.error ?? new Error('it waits')
    bytes = JSON.stringify(hogvm.convertHogToJS(outcome.result)).length
  }
}
const runs = Number(process.argv[3])
run(Math.ceil(runs / 5))
const before = process.cpuUsage()
run(runs)
const used = process.cpuUsage(before)
if (bytes < text.length) throw new Error('it added nothing')
console.log(((used.user + used.system) / runs).toFixed(3))
