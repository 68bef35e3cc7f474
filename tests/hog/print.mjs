// Shows a result as the machine prints it, by asking the machine: the value goes in as an operand.
import hogvm from '@posthog/hogvm'

/** In an array, because dates alone have another text than dates inside something. */
export function shown(value) {
  if (typeof value === 'string') return value
  const outcome = hogvm.exec(['_H', 1, 33, [value], 2, 'toString', 1, 38])
  return outcome.finished ? outcome.result.slice(1, -1) : 'unprintable'
}
