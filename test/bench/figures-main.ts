/**
 * npm run bench:figures [-- CASE…] [--json] [--rounds N] [--pages N] [--turns N] [--seed N]
 *
 * What `faultline bench` has no case for, since there is nothing to compare it with: huge sparse files, kernel state,
 * what tracing costs a store. Each measurement in a process of its own, not pinned.
 */
import { mkdtempSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import { environmentOf } from '../../lib/bench/environment.js'
import { runProgram } from '../../lib/bench/run-program.js'
import { type Summary, summarise } from '../../lib/bench/statistics.js'
import { measureFigures } from './figure-children.js'
import {
  FIGURES,
  FIGURE_CASES,
  type FigureCase,
  type FigureInfo,
  type FigureRequest,
  type FigureRun,
} from './figures.js'

const MAIN = fileURLToPath(import.meta.url)

export interface FigureResult {
  readonly name: FigureCase
  readonly figures: Readonly<Record<string, Summary>>
}

export interface FigureOptions {
  readonly rounds: number
  readonly pages: number
  readonly turns: number
  readonly seed: number
}

/** Errors: a process that fails. */
export async function runFigures(name: FigureCase, options: FigureOptions): Promise<FigureResult> {
  const { rounds, ...scale } = options
  const runs: FigureRun[] = []
  for (let round = 0; round < rounds; round++) {
    const pool = mkdtempSync(join(process.env['FAULTLINE_BENCH_DIR'] ?? tmpdir(), 'faultline-bench-'))
    try {
      const request: FigureRequest = { name, pool, ...scale }
      runs.push(
        (await runProgram(process.execPath, [MAIN, '--child', JSON.stringify(request)], undefined)) as FigureRun,
      )
    } finally {
      rmSync(pool, { recursive: true, force: true })
    }
  }
  const keys = Object.keys(runs[0] ?? {})
  return {
    name,
    figures: Object.fromEntries(keys.map((key) => [key, summarise(runs.map((run) => run[key] as number))])),
  }
}

export function renderFigures(results: readonly FigureResult[]): string {
  const table = new Table({ head: ['case', 'figure', 'median', 'spread', 'target'], style: { head: [], border: [] } })
  for (const { name, figures } of results) {
    for (const info of FIGURES[name]) {
      const summary = figures[info.key]
      if (summary !== undefined) table.push([name, info.label, ...cellsOf(info, summary)])
    }
  }
  return table.toString()
}

function cellsOf({ unit, limit }: FigureInfo, { median, min, max }: Summary): string[] {
  const target = limit === undefined ? '' : `${median <= limit ? 'met' : 'MISSED'}: at most ${limit} ${unit}`
  return [`${number(median)} ${unit}`, `${number(min)} … ${number(max)}`, target]
}

function number(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(2)
}

function natural(name: string, text: string): number {
  const value = Number(text)
  if (Number.isSafeInteger(value) && value >= 1) return value
  throw new RangeError(`--${name} must be a whole number from 1 on but is '${text}'`)
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      child: { type: 'string' },
      json: { type: 'boolean', default: false },
      rounds: { type: 'string', default: '5' },
      pages: { type: 'string', default: '16384' },
      turns: { type: 'string', default: '50' },
      seed: { type: 'string', default: '1' },
    },
  })
  if (values.child !== undefined) {
    const request = JSON.parse(values.child) as FigureRequest
    writeSync(1, `${JSON.stringify(measureFigures(request.name, request))}\n`)
    process.exit(0)
  }
  const unknown = positionals.find((name) => !(FIGURE_CASES as readonly string[]).includes(name))
  if (unknown !== undefined) throw new RangeError(`no case '${unknown}': there are ${FIGURE_CASES.join(', ')}`)
  const [rounds, pages, turns, seed] = (['rounds', 'pages', 'turns', 'seed'] as const).map((name) =>
    natural(name, values[name]),
  ) as [number, number, number, number]
  const results: FigureResult[] = []
  for (const name of FIGURE_CASES.filter((each) => positionals.length === 0 || positionals.includes(each))) {
    process.stderr.write(`  ${name}\n`)
    results.push(await runFigures(name, { rounds, pages, turns, seed }))
  }
  const environment = environmentOf({ pinned: 'no', rounds, seed })
  const head = Object.entries(environment).map(([name, value]) => `${name.padEnd(7)} ${value}`)
  console.log(
    values.json ? JSON.stringify({ environment, results }, null, 2) : `${head.join('\n')}\n\n${renderFigures(results)}`,
  )
}

if (process.argv[1] === MAIN) {
  main().catch((error: unknown) => {
    console.error(`bench:figures: ${error instanceof Error ? error.message : String(error)}`)
    process.exitCode = 1
  })
}
