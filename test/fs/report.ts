import { writeSync } from 'node:fs'
import { isErrno, type ErrnoName } from '../../lib/errors.js'

/** One line of JSON on stdout, written at once, whatever happens to the process next. */
export function report(facts: Record<string, unknown>): void {
  writeSync(1, `${JSON.stringify(facts)}\n`)
}

/** Return: what the call came to: 'ok', or the error's code (or name) and message. */
export function outcomeOf(call: () => unknown): { code: string; message: string } {
  try {
    call()
    return { code: 'ok', message: '' }
  } catch (error) {
    if (!(error instanceof Error)) throw error
    const code = 'code' in error && isErrno(error, error.code as ErrnoName) ? (error.code as string) : error.name
    return { code, message: error.message }
  }
}
