/**
 * Running a user's code without being taken down by it, as far as one process can: a time limit for code that never
 * returns, and process.exit as an error. What crashes the process itself needs a process of its own (isolate.ts).
 *
 * The limit is that of node:vm, which ends JavaScript wherever it is, in the middle of one of our own calls too:
 * fs/time-limit.ts says how that is kept from happening, and what becomes of a mount when it does.
 *
 * Each use starts a thread, 50 µs. So for regions it is set for a batch of looks: a batch ends by itself after
 * `BATCH_MS`, so one that has to be stopped is in a look that has taken at least `timeLimit`. A look at a mounted pool
 * takes longer than that anyway, and has calls around the user's code that nothing may end: there each function of the
 * user's has its own.
 */
import { createContext, Script } from 'node:vm'
import { closeDoor, loseCutCalls, openDoor } from '../fs/time-limit.js'

export const BATCH_MS = 50
/** What a call that has begun in time may take longer. */
const GRACE_MS = 250

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
  const outerLimit = closeDoor(performance.now() + ms)
  call = work
  try {
    return script.runInContext(context, { timeout: ms + GRACE_MS }) as Result
  } catch (error) {
    if ((error as NodeJS.ErrnoException | undefined)?.code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error
    loseCutCalls()
    throw new TimeLimitError(ms)
  } finally {
    openDoor(outerLimit)
    call = outer
  }
}

/** The same, where no limit holds yet: what a promise leads to runs outside that of the batch which began it. */
export function underTimeLimit<Result>(ms: number, work: () => Result): Result {
  return call === undefined ? withTimeLimit(ms, work) : work()
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
