/**
 * Running cases: each measurement in a process of its own, TypeScript and C by turns, pinned to one CPU or not
 * (lib/bench/run-program.ts).
 */
import { existsSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { byTurns, runProgram } from '../../lib/bench/run-program.js'
import { type Summary, median, summarise } from '../../lib/bench/statistics.js'
import { Page } from '../../lib/constants.js'
import {
  type CaseName,
  type ChildRequest,
  DATA_FILE,
  type FaultCase,
  type FaultRun,
  type FigureCase,
  type FigureRun,
  HOLE_FILE,
  type Scale,
  isFaultCase,
  isHugeCase,
  operationOf,
  pagesPerFault,
} from './protocol.js'

export interface RunOptions extends Scale {
  readonly rounds: number
  readonly seed: number
  /** CPU all threads of a fault benchmark are pinned to; undefined: none. */
  readonly cpu: number | undefined
}

/** ns a fault of both sides, and their ratio: of the medians, and of each round. */
export interface FaultResult {
  readonly name: FaultCase
  readonly pages: number
  readonly hash: number
  readonly typescript: Summary
  readonly c: Summary
  readonly ratio: number
  readonly roundRatios: Summary
}

export interface FigureResult {
  readonly name: FigureCase
  readonly figures: Readonly<Record<string, Summary>>
}

export type CaseResult = FaultResult | FigureResult

const projectRoot = fileURLToPath(new URL('../../../', import.meta.url))
const C_HANDLER = join(projectRoot, 'build/Release/c_handler')
const MAIN = fileURLToPath(new URL('./main.js', import.meta.url))

/**
 * Run one case. `tick` is called after each measurement.
 * Errors: a child that fails or does other work than its counterpart.
 */
export async function runCase(name: CaseName, options: RunOptions, tick: () => void): Promise<CaseResult> {
  const pool = mkdtempSync(join(process.env['FAULTLINE_BENCH_DIR'] ?? tmpdir(), 'faultline-bench-'))
  try {
    const { syncs, seed } = options
    const { warm, pages } = pagesOf(name, options)
    preparePool(pool, warm + pages, seed)
    const request: ChildRequest = { name, pool, warm, pages, syncs, seed }
    if (!isFaultCase(name)) return await runFigures(name, request, options, tick)
    return await runFaults(name, request, options, tick)
  } finally {
    rmSync(pool, { recursive: true, force: true })
  }
}

/** Whole units of what one fault maps. */
export function pagesOf(name: CaseName, { warm, pages }: RunOptions): { warm: number; pages: number } {
  const unit = pagesPerFault(name)
  return { warm: Math.ceil(warm / unit) * unit, pages: Math.ceil(pages / unit) * unit }
}

async function runFaults(
  name: FaultCase,
  request: ChildRequest,
  options: RunOptions,
  tick: () => void,
): Promise<FaultResult> {
  const [typescript = [], c = []] = await byTurns(2, options.rounds, async (side) => {
    const run = await (side === 0 ? runTypescript(request, options.cpu) : runC(name, request, options.cpu))
    tick()
    return run as FaultRun
  })
  const runs = [...typescript, ...c]
  const hashes = new Set(runs.map(({ hash }) => hash))
  if (hashes.size !== 1) throw new Error(`the sides of '${name}' did different work: hashes ${[...hashes].join(', ')}`)
  const nanoseconds = (side: readonly FaultRun[]): number[] => side.map(({ nsPerFault }) => nsPerFault)
  const ratios = nanoseconds(typescript).map((value, round) => value / (c[round] as FaultRun).nsPerFault)
  return {
    name,
    pages: request.pages,
    hash: (runs[0] as FaultRun).hash,
    typescript: summarise(nanoseconds(typescript)),
    c: summarise(nanoseconds(c)),
    ratio: median(nanoseconds(typescript)) / median(nanoseconds(c)),
    roundRatios: summarise(ratios),
  }
}

async function runFigures(
  name: FigureCase,
  request: ChildRequest,
  options: RunOptions,
  tick: () => void,
): Promise<FigureResult> {
  const runs: FigureRun[] = []
  for (let round = 0; round < options.rounds; round++) {
    const scratch = join(request.pool, name)
    rmSync(scratch, { recursive: true, force: true })
    // Not pinned: these cases use the mount's default of two workers.
    runs.push((await runTypescript(request, undefined)) as FigureRun)
    tick()
  }
  const keys = Object.keys(runs[0] ?? {})
  return {
    name,
    figures: Object.fromEntries(keys.map((key) => [key, summarise(runs.map((run) => run[key] as number))])),
  }
}

/** Measurements `runCase` makes, for a progress bar. */
export function measurementsOf(name: CaseName, rounds: number): number {
  return isFaultCase(name) ? rounds * 2 : rounds
}

/** Make a pool with DATA_FILE and HOLE_FILE. */
export function preparePool(pool: string, pages: number, seed: number): void {
  const data = Buffer.alloc(pages * Page.Size)
  for (let page = 0; page < pages; page++) data.writeInt32LE(Math.imul(page + 1, 0x9e3779b1) ^ seed, page * Page.Size)
  mkdirSync(pool, { recursive: true })
  writeFileSync(join(pool, DATA_FILE), data)
  writeFileSync(join(pool, HOLE_FILE), '')
  truncateSync(join(pool, HOLE_FILE), pages * Page.Size)
}

function runTypescript(request: ChildRequest, cpu: number | undefined): Promise<unknown> {
  return runProgram(process.execPath, [MAIN, '--child', JSON.stringify(request)], cpu)
}

function runC(name: FaultCase, { pool, pages, warm }: ChildRequest, cpu: number | undefined): Promise<unknown> {
  if (!existsSync(C_HANDLER)) throw new Error(`${C_HANDLER} is missing: build it with \`npm run build:native\``)
  const unit = isHugeCase(name) ? Page.PmdSize : Page.Size
  const op = operationOf(name)
  const options = { op, file: join(pool, DATA_FILE), pages, warm, unit }
  const args = Object.entries(options).flatMap(([key, value]) => [`--${key}`, `${value}`])
  return runProgram(C_HANDLER, args, cpu)
}
