/**
 * npm run test:nodes [-- MAJOR… PIECE…]: the default tests on other releases of Node, with the one addon that was built
 * here, folder by folder. PIECE: a folder of test/, a file there without .test.ts, or `top` for those in test/ itself.
 *
 * The binaries are those of the npm package `node`, installed into a temporary folder that is kept for the next run.
 */
import Table from 'cli-table3'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { allPieces, isPiece, patternOf } from '../coverage/pieces.js'
import { projectRoot } from '../support/sources.js'

const MAJORS = ['20', '22', '24', '26']
const NODES = join(process.env['FAULTLINE_TEST_DIR'] ?? tmpdir(), 'faultline-nodes')

interface Outcome {
  readonly node: string
  readonly passed: number
  readonly failed: number
  readonly seconds: number
}

const given = process.argv.slice(2)
const isRelease = (word: string): boolean => /^\d+(\.\d+){0,2}$/.test(word)
const unknown = given.filter((word) => !isRelease(word) && !isPiece(word))
if (unknown.length > 0) {
  console.error(`no such release or piece: ${unknown.join(', ')}; pieces are ${allPieces().join(', ')}`)
  console.error('usage: npm run test:nodes [-- MAJOR… PIECE…]     for instance: npm run test:nodes -- 22 24 fs')
  process.exit(2)
}
const releases = given.filter(isRelease)
const chosen = given.filter((word) => !isRelease(word))
const outcomes = (releases.length > 0 ? releases : MAJORS).map(testWith)
const table = new Table({ head: ['node', 'passed', 'failed', 'seconds'] })
for (const { node, passed, failed, seconds } of outcomes) table.push([node, passed, failed, seconds])
console.log(table.toString())
process.exitCode = outcomes.every(({ failed }) => failed === 0) ? 0 : 1

function testWith(major: string): Outcome {
  const binary = install(major)
  if (binary === undefined) return { node: `${major} could not be installed`, passed: 0, failed: 1, seconds: 0 }
  const node = spawnSync(binary, ['-v'], { encoding: 'utf8' }).stdout.trim()
  const start = performance.now()
  const counts = (chosen.length > 0 ? chosen : allPieces()).map((piece) => run(binary, node, piece))
  return {
    node,
    passed: counts.reduce((sum, { passed }) => sum + passed, 0),
    failed: counts.reduce((sum, { failed }) => sum + failed, 0),
    seconds: Math.round((performance.now() - start) / 1000),
  }
}

function run(binary: string, node: string, piece: string): { passed: number; failed: number } {
  const { status, signal, stdout, stderr } = spawnSync(
    binary,
    ['node_modules/mocha/bin/mocha.js', '--no-colors', patternOf(piece)],
    { cwd: projectRoot, encoding: 'utf8', maxBuffer: 2 ** 28, env: { ...process.env, CI: 'true' } },
  )
  const [, passed = '0', failed = '0'] = /^(\d+) passed, (\d+) failed/m.exec(stdout) ?? []
  const counts = { passed: Number(passed), failed: status === 0 ? Number(failed) : Math.max(1, Number(failed)) }
  console.error(`${node} ${piece}: ${counts.passed} passed, ${counts.failed} failed`)
  if (counts.failed === 0) return counts
  console.error(stdout.slice(Math.max(0, stdout.indexOf(' failing'))) + stderr)
  if (status === null) console.error(`ended by ${signal ?? '?'}`)
  return counts
}

/** Return: the path of the binary; undefined when there is none to be had. */
function install(major: string): string | undefined {
  const folder = join(NODES, major)
  const binary = join(folder, 'node_modules', 'node', 'bin', 'node')
  if (existsSync(binary)) return binary
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{}')
  console.error(`node ${major}: installing`)
  const npm = spawnSync('npm', ['install', '--no-audit', '--no-fund', `node@${major}`], {
    cwd: folder,
    stdio: 'ignore',
  })
  return npm.status === 0 && existsSync(binary) ? binary : undefined
}
