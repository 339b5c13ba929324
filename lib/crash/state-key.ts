/** Equal results of recovery have equal keys: maps, sets, bigints, typed arrays and cycles included. */
import { createHash } from 'node:crypto'
import { inspect } from 'node:util'
import { serialize } from 'node:v8'

/** Longer ones are named by their hash. */
const KEY_MAX = 40

export function stateKey(state: unknown): string {
  const text = stateText(state)
  return text.length <= KEY_MAX ? text : `h${createHash('sha256').update(text, 'latin1').digest('base64url')}`
}

function stateText(state: unknown): string {
  if (typeof state === 'string') return `s${state}`
  if (typeof state !== 'object' || state === null) return `${typeof state} ${String(state)}`
  try {
    return `v${serialize(state).toString('latin1')}`
  } catch {
    // Functions and the like.
    return `i${inspect(state, { depth: Infinity, maxArrayLength: Infinity, maxStringLength: Infinity, sorted: true })}`
  }
}
