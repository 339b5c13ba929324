/** A process of the loop: makes each run it is asked for, and says what came of it. */
import type { InjectOperation } from '../../lib/inject-rules.js'
import { type Settings, runFailing } from './loop.js'

export interface RunTask {
  readonly operation: InjectOperation
  readonly nth: number
  readonly settings: Settings
}

export interface RunAnswer {
  readonly failed: boolean
  /** What was wrong. */
  readonly complaint?: string
}

function answer({ operation, nth, settings }: RunTask): RunAnswer {
  try {
    return { failed: runFailing(operation, nth, settings).failed }
  } catch (error) {
    return { failed: true, complaint: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
}

process.on('message', (task: RunTask) => process.send?.(answer(task)))
// Whoever asked for all this is gone.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'))
