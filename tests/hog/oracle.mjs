// PostHog's published Hog machine and parser as an oracle: jobs by the line on stdin, answers by the
// line on stdout. A job is {"run": bytecode, "globals": …} or {"parse": source} or {"template": text}.
import crypto from 'node:crypto'
import readline from 'node:readline'

import createParser from '@posthog/hogql-parser'
import hogvm from '@posthog/hogvm'
import { shown } from './print.mjs'

// RE2 is not at hand here: the generator only makes expressions that mean the same to JavaScript.
const compiled = (source) => {
  const any = source.startsWith('(?i)')
  const [pattern, flags] = any ? [source.slice(4), 'i'] : [source, '']
  try {
    return new RegExp(pattern, flags + 'u')
  } catch {
    return new RegExp(pattern, flags)  // LIKE escapes what JavaScript's u does not let be escaped
  }
}
const regex = {
  match: (source, value) => compiled(source).test(value),
  extract: (source, value) => {
    const found = compiled(source).exec(value)
    return found === null ? '' : (found.length > 1 ? found[1] ?? '' : found[0])
  },
}

let printed = []
console.log = (...words) => printed.push(words.join(' '))

function run(job) {
  printed = []
  const outcome = hogvm.exec(job.run, { globals: job.globals ?? {}, timeout: 3000,
    functions: {}, asyncFunctions: {}, external: { regex, crypto } })
  if (outcome.error) {
    const own = outcome.error.name.endsWith('HogVMException')
    return { error: own ? String(outcome.error.type ? outcome.error : outcome.error.message) : 'other', printed }
  }
  if (!outcome.finished) return { async: outcome.asyncFunctionName, printed }
  return { shown: shown(outcome.result), printed }
}

const parser = await createParser()
for await (const line of readline.createInterface({ input: process.stdin })) {
  const job = JSON.parse(line)
  let answer
  try {
    if (job.run) answer = run(job)
    else if (job.template !== undefined) answer = JSON.parse(parser.parseFullTemplateString("F'" + job.template, true))
    else answer = JSON.parse(parser.parseProgram(job.parse, true))
  } catch (error) {
    answer = { error: 'other', thrown: String(error), printed }
  }
  process.stdout.write(JSON.stringify(answer) + '\n')
}
