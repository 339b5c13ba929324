/**
 * npm run coverage [-- PIECE…]: what of lib/ the default tests run, in all their processes and threads. Fails below
 * 90 % of the lines, and when a branch of dax/, tree/ or persist/ that was not taken has no row in test/COVERAGE.md.
 *
 * PIECE: a folder of test/, or a file there without .test.ts, or `top` for the tests in test/ itself, or `report` for
 * none: what earlier runs measured of the other pieces is kept. Without pieces: all of them, from the start.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { projectRoot, readSources } from '../support/sources.js'
import { allPieces, isPiece, runPiece } from './pieces.js'
import { type FileCoverage, TABLE, compare, readTable, uncoveredBranches } from './uncovered.js'

const LINES_MIN = 90
const FOLDER = 'coverage'
const MEASURED = join(FOLDER, 'tmp')

/** Modules that are types only: nothing of them runs. */
function typesOnly(): string[] {
  const isEmpty = (text: string): boolean => /^(?:\s|\/\*[^]*?\*\/|\/\/.*|export \{\};)*$/.test(text)
  return readSources('dist/lib', '.js')
    .filter(({ text }) => isEmpty(text))
    .map(({ path }) => path.replace(/^dist\//, '').replace(/\.js$/, '.ts'))
}

/** Return: whether enough lines were run. */
function report(): boolean {
  const { status } = spawnSync(
    process.execPath,
    [
      ...['node_modules/c8/bin/c8.js', 'report', '--temp-directory', MEASURED, '--reports-dir', FOLDER],
      ...['--reporter', 'text', '--reporter', 'html', '--reporter', 'json'],
      ...['--check-coverage', '--lines', String(LINES_MIN), '--functions', '0', '--branches', '0', '--statements', '0'],
      ...['dist/test/**', 'test/**', ...typesOnly()].flatMap((path) => ['--exclude', path]),
    ],
    { cwd: projectRoot, stdio: 'inherit' },
  )
  return status === 0
}

/** Return: whether each branch that was not taken is argued, and none else. */
function checkTable(): boolean {
  const measured = readFileSync(join(projectRoot, FOLDER, 'coverage-final.json'), 'utf8')
  const uncovered = uncoveredBranches(JSON.parse(measured) as Record<string, FileCoverage>)
  const { unargued, taken } = compare(uncovered, readTable())
  for (const { path, line } of unargued) console.error(`not taken, and not in ${TABLE}: ${path}: ${line}`)
  for (const { path, line } of taken) console.error(`taken, so its row can go from ${TABLE}: ${path}: ${line}`)
  console.error(`${uncovered.length} lines of dax/, tree/, persist/ with a branch that was not taken`)
  return unargued.length === 0 && taken.length === 0
}

const given = process.argv.slice(2)
const pieces = given.length === 0 ? allPieces() : given.filter((piece) => piece !== 'report')
const unknown = pieces.filter((piece) => !isPiece(piece))
if (unknown.length > 0) {
  console.error(`no such piece: ${unknown.join(', ')}; there are report, ${allPieces().join(', ')}`)
  process.exit(2)
}
if (given.length === 0) rmSync(join(projectRoot, MEASURED), { recursive: true, force: true })
const passed = pieces.map((piece) => runPiece(piece, join(projectRoot, MEASURED))).every(Boolean)
const isEnough = report()
const isArgued = checkTable()
process.exitCode = passed && isEnough && isArgued ? 0 : 1
