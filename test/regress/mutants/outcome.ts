/** Running one test of a scratch copy, and telling how it ended. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Scratch, execute } from './scratch.js'

/** Of a test; and of the process, which a loop without end keeps from noticing. */
const TEST_LIMIT_MS = 10_000
const HANG_LIMIT_MS = 5000
const PROCESS_EXTRA_MS = 8000

let reports = 0

/**
 * assertion  an expectation failed         bug    an assertion of faultline's own failed (BugError)
 * error      any other exception           hang   the test did not end in its time
 * crash      the process died of a signal
 */
export type Failure = 'assertion' | 'bug' | 'error' | 'hang' | 'crash'

export interface Outcome {
  /** Titles of tests that passed; known only when the process ended by itself. */
  readonly passed: readonly string[]
  readonly failure: Failure | undefined
  /** The first failure in a line. */
  readonly message: string
}

interface Report {
  readonly passes: readonly { readonly fullTitle: string }[]
  readonly pending: readonly { readonly fullTitle: string }[]
  readonly failures: readonly { readonly fullTitle: string; readonly err: { stack?: string; code?: string } }[]
}

/**
 * test: compiled file, from the root of the copy. hangs: a short limit is enough. tests: how many there is time for.
 * Errors: when the file did not run at all (it does not load, or nothing matches the pattern).
 */
export async function runTest(
  scratch: Scratch,
  test: string,
  grep: string,
  hangs: boolean,
  tests = 1,
): Promise<Outcome> {
  const report = join(scratch.folderOfPools, `report-${++reports}.json`)
  const limit = hangs ? HANG_LIMIT_MS : TEST_LIMIT_MS
  const mocha = join(scratch.root, 'node_modules/mocha/bin/mocha.js')
  const args = [mocha, '--exit', '--reporter', 'json', '--reporter-option', `output=${report}`]
  args.push('--timeout', String(limit), '--grep', grep, test)
  const env = { FAULTLINE_TEST_DIR: scratch.folderOfPools, CI: 'true' }
  const run = await execute(process.execPath, args, scratch.root, env, limit * tests + PROCESS_EXTRA_MS)
  if (run.timedOut) return { passed: [], failure: 'hang', message: 'the process had to be killed' }
  if (!existsSync(report)) {
    if (run.status === null) return { passed: [], failure: 'crash', message: essence(run.output) }
    throw new Error(`${test} does not run: ${essence(run.output)}`)
  }
  const { passes, failures, pending } = JSON.parse(readFileSync(report, 'utf8')) as Report
  if (passes.length + failures.length === 0) {
    throw new Error(pending.length > 0 ? `${test}: skipped here` : `${test}: no test matches '${grep}'`)
  }
  const passed = passes.map(({ fullTitle }) => fullTitle)
  const [first] = failures
  if (first === undefined) return { passed, failure: undefined, message: '' }
  const message = (first.err.stack ?? '').split('\n', 1)[0] ?? ''
  return { passed, failure: kindOf(first.err.code, message), message }
}

function kindOf(code: string | undefined, message: string): Failure {
  if (code === 'ERR_MOCHA_TIMEOUT' || message.includes('Timeout of ')) return 'hang'
  if (message.startsWith('AssertionError')) return 'assertion'
  return message.includes('BugError') ? 'bug' : 'error'
}

/** The line of an exception's message, or else the last. */
function essence(text: string): string {
  const lines = text.trim().split('\n')
  return lines.find((line) => /\w*Error\b/.test(line)) ?? lines.pop() ?? ''
}
