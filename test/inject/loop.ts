/** Failing operation 1, 2, 3, … of a kind, until a run has none left. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { InjectOperation } from '../../lib/index.js'
import { INJECT_ERRORS, INJECT_OPERATIONS } from '../../lib/inject-rules.js'
import { type RunPlan, type RunResult, runOnce } from './run.js'

export type Settings = Pick<RunPlan, 'seed' | 'steps' | 'stepsAfter' | 'options' | 'meddle'>

export function runFailing(operation: InjectOperation, nth: number, settings: Settings): RunResult {
  const pool = mkdtempSync(join(process.env['FAULTLINE_TEST_DIR'] ?? tmpdir(), 'faultline-inject-'))
  const error = INJECT_ERRORS[nth % INJECT_ERRORS.length] ?? 'EIO'
  try {
    return runOnce({ ...settings, pool, operation, error, nth })
  } catch (failure) {
    const again = `npm run test:inject -- --operation ${operation} --nth ${nth} --seed ${settings.seed}`
    if (failure instanceof Error) failure.message += `\n(${operation} ${nth} fails with ${error}; again: ${again})`
    throw failure
  } finally {
    rmSync(pool, { recursive: true, force: true })
  }
}

/** How many operations of each kind the workload makes when none fails. */
export function countOperations(settings: Settings): Readonly<Record<InjectOperation, number>> {
  return runFailing(INJECT_OPERATIONS[0], 0, settings).made
}
