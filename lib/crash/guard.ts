/**
 * Running a user's code without being taken down by it, as far as one process can: a time limit for code that never
 * returns, and process.exit as an error. What crashes the process itself needs a process of its own (isolate.ts).
 *
 * The limit is that of node:vm, which stops JavaScript wherever it is. It is set for a batch of looks, since each use
 * of it starts a thread: a batch ends by itself after `BATCH_MS`, so one that has to be stopped is in a look that has
 * taken at least `timeLimit`.
 */
import { createContext, Script } from 'node:vm'

export const BATCH_MS = 50

export class ExitError extends Error {
  override readonly name = 'ExitError'
}

let call: (() => unknown) | undefined
const context = createContext({ run: () => call?.() })
const script = new Script('run()', { filename: 'faultline-guard' })

/** Return: what `work` returns. Errors: its own; TimeLimitError when it took more than `ms`. 0: no limit. */
export function withTimeLimit<Result>(ms: number, work: () => Result): Result {
  if (ms === 0) return work()
  const outer = call
  call = work
  try {
    return script.runInContext(context, { timeout: ms }) as Result
  } catch (error) {
    if ((error as NodeJS.ErrnoException | undefined)?.code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error
    throw new TimeLimitError(ms)
  } finally {
    call = outer
  }
}

export class TimeLimitError extends Error {
  override readonly name = 'TimeLimitError'

  constructor(ms: number) {
    super(`did not end within ${ms} ms`)
  }
}

/** While `work` runs (and its promise is open) process.exit is an error. */
export async function withoutExit<Result>(work: () => Result | Promise<Result>): Promise<Result> {
  const exit = process.exit.bind(process)
  process.exit = (code) => {
    throw new ExitError(`called process.exit(${code ?? ''})`)
  }
  try {
    return await work()
  } finally {
    process.exit = exit
  }
}

/** Return: the promise, or an error after `ms`. 0: no limit. */
export async function settleWithin<Result>(ms: number, promise: Promise<Result>): Promise<Result> {
  if (ms === 0) return promise
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new TimeLimitError(ms)), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
