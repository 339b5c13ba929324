/**
 * npm run test:nodes [-- MAJOR…]: the default tests on other releases of Node, with the one addon that was built here.
 *
 * The binaries are those of the npm package `node`, installed into a temporary folder that is kept for the next run.
 */
import Table from 'cli-table3'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const MAJORS = ['20', '22', '24', '26']
const NODES = join(process.env['FAULTLINE_TEST_DIR'] ?? tmpdir(), 'faultline-nodes')

interface Outcome {
  readonly node: string
  readonly summary: string
  readonly seconds: number
  readonly ok: boolean
}

const wanted = process.argv.slice(2)
if (wanted.some((major) => !/^\d+(\.\d+){0,2}$/.test(major))) {
  console.error('usage: npm run test:nodes [-- MAJOR…]     for instance: npm run test:nodes -- 22 24')
  process.exit(2)
}
const outcomes = (wanted.length > 0 ? wanted : MAJORS).map(testWith)
const table = new Table({ head: ['node', 'tests', 'seconds'] })
for (const { node, summary, seconds } of outcomes) table.push([node, summary, String(Math.round(seconds))])
console.log(table.toString())
process.exitCode = outcomes.every(({ ok }) => ok) ? 0 : 1

function testWith(major: string): Outcome {
  const binary = install(major)
  if (binary === undefined) return { node: major, summary: 'could not be installed', seconds: 0, ok: false }
  const node = spawnSync(binary, ['-v'], { encoding: 'utf8' }).stdout.trim()
  console.error(`${node}: running the tests`)
  const start = performance.now()
  const mocha = join('node_modules', 'mocha', 'bin', 'mocha.js')
  const run = spawnSync(binary, [mocha, '--no-colors', 'dist/test/**/*.test.js'], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    env: { ...process.env, CI: 'true' },
  })
  const summary = /^\d+ passed, \d+ failed.*$/m.exec(run.stdout)?.[0] ?? `ended with ${run.status ?? run.signal ?? '?'}`
  const ok = run.status === 0
  if (!ok) console.error(run.stdout.slice(run.stdout.indexOf(' failing')) + run.stderr)
  return { node, summary, seconds: (performance.now() - start) / 1000, ok }
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
