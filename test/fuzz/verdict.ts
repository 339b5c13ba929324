/** Is what a call threw something its documentation names? */
import { PmemError } from '../../lib/index.js'
import type { Entry } from './surface.js'
import { CallbackError } from './values.js'

/** A closed object; a dead mount, a bad page. */
const COMMON_CODES = ['EBADF', 'EIO']

/** Return: undefined when it is; else what is wrong with it. */
export function complaintAbout(thrown: unknown, { codes = [], errors = [] }: Entry): string | undefined {
  if (!(thrown instanceof Error)) return `threw ${String(thrown)}, which is no Error`
  // A class is a function, so it passes for a callback, and throws when it is called.
  if (thrown.message.startsWith('Class constructor CallbackError ')) return undefined
  if (thrown instanceof CallbackError || errors.includes(thrown.name)) return undefined
  if (thrown instanceof PmemError) {
    if (!thrown.message.startsWith(`${thrown.code}: `)) return `a PmemError without its code: ${thrown.message}`
    const isDocumented = [...COMMON_CODES, ...codes].includes(thrown.code)
    return isDocumented ? undefined : `undocumented code ${thrown.message}\n${thrown.stack ?? ''}`
  }
  // An accident of the engine says "cannot read properties" or the like; misuse says what was expected.
  const isMisuse = ['TypeError', 'RangeError'].includes(thrown.name) && / must /.test(thrown.message)
  return isMisuse ? undefined : `undocumented ${thrown.stack ?? thrown.message}`
}
