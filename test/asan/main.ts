/**
 * `npm run test:asan [-- PIECE…]`: the default tests with the addon compiled with AddressSanitizer and
 * UndefinedBehaviorSanitizer, folder by folder. The normal build stays as it is.
 *
 * PIECE: a folder of test/, or a file there without .test.ts. Without pieces: all but those below.
 */
import { spawnSync } from 'node:child_process'
import Table from 'cli-table3'
import { TOP, allPieces, isPiece, patternOf } from '../coverage/pieces.js'
import { projectRoot } from '../support/sources.js'
import { buildSanitized, checkPlanted, clearReports, reports, sanitizedEnvironment } from './sanitized.js'

/** Slower than by itself, but not by this much. */
const TIMEOUT_MS = 120_000

const LEFT_OUT: Readonly<Record<string, string>> = {
  [TOP]: 'reads the sources',
  coverage: 'reads what V8 noted',
  pack: 'loads the addon of a package made there, not this one',
}

const given = process.argv.slice(2)
const unknown = given.filter((piece) => !isPiece(piece))
if (unknown.length > 0) {
  console.error(`no such piece: ${unknown.join(', ')}; there are ${allPieces().join(', ')}`)
  process.exit(2)
}
buildSanitized()
checkPlanted()
console.error('planted mistakes: 2 of 2 reported')
for (const [piece, reason] of Object.entries(LEFT_OUT)) console.error(`left out: ${piece}: ${reason}`)

const total = { passed: 0, failed: 0, reports: 0 }
const table = new Table({ head: ['piece', 'passed', 'failed', 'reports', 'seconds'] })
for (const piece of given.length > 0 ? given : allPieces().filter((name) => !(name in LEFT_OUT))) {
  const start = performance.now()
  const { passed, failed, found } = run(piece)
  const seconds = Math.round((performance.now() - start) / 1000)
  table.push([piece, passed, failed, found.length, seconds])
  console.error(`${piece}: ${passed} passed, ${failed} failed, ${found.length} reports, ${seconds} s`)
  for (const line of found) console.error(line)
  total.passed += passed
  total.failed += failed
  total.reports += found.length
}
console.log(table.toString())
console.log(`${total.reports} reports of the sanitizers`)
console.log(`${total.passed} passed, ${total.failed} failed`)
process.exitCode = total.failed + total.reports === 0 ? 0 : 1

function run(piece: string): { passed: number; failed: number; found: string[] } {
  clearReports()
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['node_modules/mocha/bin/mocha.js', '--no-colors', '--timeout', String(TIMEOUT_MS), patternOf(piece)],
    { cwd: projectRoot, encoding: 'utf8', maxBuffer: 2 ** 28, env: sanitizedEnvironment() },
  )
  const summary = /^(\d+) passed, (\d+) failed/m.exec(stdout)
  if (status !== 0) console.error(stdout.slice(Math.max(0, stdout.indexOf(' failing'))) + stderr)
  // Who dies without a last line has failed.
  const [passed, failed] = summary === null ? [0, 1] : [Number(summary[1]), Number(summary[2])]
  return { passed, failed: status === 0 ? failed : Math.max(1, failed), found: reports() }
}
