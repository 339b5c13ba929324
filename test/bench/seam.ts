/**
 * npm run bench:seam [-- --rounds N] [--pages N] [--cpu N] [--json]
 *
 * What the seam costs: page faults and tree operations of the program as it is, through the injected SharedWords,
 * against the same program with every such call replaced by direct Atomics (direct-atomics.ts). By turns, pinned to one
 * CPU, each measurement in a process of its own. Status 1 when a fault costs more than LIMIT more.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import { addon } from '../../lib/binding/load.js'
import { type Environment, environmentOf } from '../../lib/bench/environment.js'
import { byTurns, runProgram } from '../../lib/bench/run-program.js'
import { median, summarise } from '../../lib/bench/statistics.js'
import { projectRoot } from '../support/sources.js'
import { buildDirect } from './direct-atomics.js'
import type { SeamRequest, SeamRun } from './seam-child.js'

const LIMIT = 1.03
const KINDS = ['read', 'write', 'minor', 'tree'] as const
/** A tree operation is a hundredth of a fault. */
const TREE_FACTOR = 32

export interface SeamResult {
  readonly kind: (typeof KINDS)[number]
  /** Nanoseconds, median of the rounds. */
  readonly injected: number
  readonly direct: number
  readonly ratio: number
  /** Of each round: [least, greatest]. */
  readonly rounds: readonly [number, number]
}

export interface SeamOptions {
  readonly rounds: number
  readonly pages: number
  readonly warm: number
  readonly cpu: number | undefined
  readonly onMeasured?: () => void
}

/** Errors: Error when both sides did not do the same work. */
export async function measureSeam(options: SeamOptions): Promise<{ replaced: number; results: SeamResult[] }> {
  const { rounds, pages, warm, cpu } = options
  const { directory, replaced } = buildDirect()
  const pools = mkdtempSync(join(process.env['FAULTLINE_BENCH_DIR'] ?? tmpdir(), 'faultline-seam-'))
  try {
    const results: SeamResult[] = []
    for (const kind of KINDS) {
      const factor = kind === 'tree' ? TREE_FACTOR : 1
      const [injected = [], direct = []] = await byTurns(2, rounds, async (side) => {
        const child = join(side === 0 ? projectRoot : directory, 'dist/test/bench/seam-child.js')
        const own = mkdtempSync(join(pools, kind))
        const request: SeamRequest = { kind, warm: warm * factor, pages: pages * factor, seed: 1, directory: own }
        const run = (await runProgram(process.execPath, [child, JSON.stringify(request)], cpu)) as SeamRun
        rmSync(own, { recursive: true, force: true })
        options.onMeasured?.()
        return run
      })
      results.push(compare(kind, injected, direct))
    }
    return { replaced, results }
  } finally {
    for (const path of [directory, pools]) rmSync(path, { recursive: true, force: true })
  }
}

function compare(kind: SeamResult['kind'], injected: readonly SeamRun[], direct: readonly SeamRun[]): SeamResult {
  if (new Set([...injected, ...direct].map(({ hash }) => hash)).size !== 1) throw new Error(`${kind}: other work`)
  const [ours, theirs] = [injected, direct].map((runs) => runs.map(({ nanoseconds }) => nanoseconds)) as [
    number[],
    number[],
  ]
  const { min, max } = summarise(ours.map((value, round) => value / (theirs[round] as number)))
  const [a, b] = [median(ours), median(theirs)]
  return { kind, injected: a, direct: b, ratio: a / b, rounds: [min, max] }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '9' },
      pages: { type: 'string', default: '16384' },
      warm: { type: 'string', default: '32768' },
      cpu: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  })
  const cpu = values.cpu === undefined ? addon.getAffinity(0).at(-1) : Number(values.cpu)
  const [rounds, pages, warm] = [Number(values.rounds), Number(values.pages), Number(values.warm)]
  if (![rounds, pages, warm].every((n) => Number.isSafeInteger(n) && n > 0))
    throw new RangeError('whole numbers above 0')
  let done = 0
  const onMeasured = (): void => {
    process.stderr.write(`\r  ${++done} of ${2 * rounds * KINDS.length} `)
  }
  const { replaced, results } = await measureSeam({ rounds, pages, warm, cpu, onMeasured })
  process.stderr.write('\r')
  const environment = environmentOf({ pinned: `CPU ${String(cpu)}`, rounds, replaced })
  console.log(values.json ? JSON.stringify({ environment, results }, null, 2) : render(environment, results))
  if (results.some(({ kind, ratio }) => kind !== 'tree' && ratio > LIMIT)) process.exitCode = 1
}

function render(environment: Environment, results: readonly SeamResult[]): string {
  const head = ['ns each', 'SharedWords', 'direct Atomics', 'ratio', 'by round', 'target']
  const table = new Table({ head, style: { head: [], border: [] } })
  for (const { kind, injected, direct, ratio, rounds } of results) {
    const verdict = `${ratio <= LIMIT ? 'met' : 'MISSED'}: at most ${LIMIT}`
    table.push([
      kind === 'tree' ? 'tree operation' : `fault: ${kind}`,
      injected.toFixed(kind === 'tree' ? 1 : 0),
      direct.toFixed(kind === 'tree' ? 1 : 0),
      ratio.toFixed(3),
      rounds.map((value) => value.toFixed(3)).join(' … '),
      kind === 'tree' ? '' : verdict,
    ])
  }
  const lines = Object.entries(environment).map(([name, value]) => `${name.padEnd(8)} ${value}`)
  return `${lines.join('\n')}\n\n${table.toString()}`
}

if (process.argv[1]?.endsWith('seam.js') === true) {
  main().catch((error: unknown) => {
    console.error(`bench:seam: ${error instanceof Error ? error.message : String(error)}`)
    process.exitCode = 1
  })
}
