/** Running a benchmark over a sweep. */
import { fileURLToPath } from 'node:url'
import { addon } from '../binding/load.js'
import type { Bench, Measurement } from './bench.js'
import type { MeasureRequest } from './bench-process.js'
import { type Environment, environmentOf } from './environment.js'
import { addHistograms } from './histogram.js'
import { byTurns, runProgram } from './run-program.js'
import { type Summary, median, summarise } from './statistics.js'
import { type Setting, type Sweep, settingsOf } from './sweep.js'

export interface SettingResult {
  readonly setting: Setting
  readonly figures: Readonly<Record<string, Summary>>
  /** To the reference: of the medians, and the least and greatest of one round. */
  readonly ratio?: Summary
  readonly hash: number
  /** Of all rounds: histogram.ts. */
  readonly histogram?: readonly number[]
}

export interface BenchResult {
  readonly bench: string
  readonly environment: Environment
  readonly results: readonly SettingResult[]
}

export interface RunOptions {
  readonly rounds: number
  readonly seed: number
  /** After each measurement: how many are done. */
  readonly onProgress?: (done: number) => void
}

const PROCESS = fileURLToPath(new URL('./bench-process.js', import.meta.url))

/** Errors: Error when a measurement fails, or did other work than what it is compared with. */
export async function runBench(bench: Bench, sweep: Sweep, options: RunOptions): Promise<BenchResult> {
  const { rounds, seed, onProgress } = options
  const settings = possibleSettings(bench, sweep)
  const cpu = pinnedCpu()
  let done = 0
  const measurements = await byTurns(settings.length, rounds, async (side) => {
    const setting = settings[side] as Setting
    const request: MeasureRequest = { name: bench.name, setting, seed }
    const measurement = (await runProgram(
      process.execPath,
      [PROCESS, JSON.stringify(request)],
      bench.isPinned?.(setting) === true ? cpu : undefined,
    )) as Measurement
    onProgress?.(++done)
    return measurement
  })
  const results = settings.map((setting, i) => summariseSetting(bench, setting, measurements[i] ?? []))
  requireSameWork(bench, results)
  const pinned = settings.some((setting) => bench.isPinned?.(setting) === true) ? { pinned: `CPU ${cpu}` } : {}
  const environment = environmentOf({ rounds, seed, ...pinned })
  return { bench: bench.name, environment, results: withRatios(bench, results) }
}

/** Measurements runBench makes: 0 when no combination of settings is possible. */
export function measurementsOf(bench: Bench, sweep: Sweep, rounds: number): number {
  return possibleSettings(bench, sweep).length * rounds
}

function possibleSettings(bench: Bench, sweep: Sweep): Setting[] {
  return settingsOf(sweep).filter((setting) => bench.isPossible?.(setting) !== false)
}

/** The last CPU we may use: interrupts and other programs prefer the first. */
function pinnedCpu(): number {
  return addon.getAffinity(0).at(-1) ?? 0
}

function summariseSetting(bench: Bench, setting: Setting, runs: readonly Measurement[]): SettingResult {
  const hashes = new Set(runs.map(({ hash }) => hash))
  if (hashes.size !== 1) throw new Error(`rounds of ${JSON.stringify(setting)} did different work`)
  const figures = bench.figures.flatMap(({ key }) => {
    const values = runs.map((run) => run.figures[key]).filter((value) => value !== undefined)
    return values.length === 0 ? [] : [[key, summarise(values)] as const]
  })
  const histogram = addHistograms(runs.flatMap((run) => (run.histogram === undefined ? [] : [run.histogram])))
  const result = { setting, figures: Object.fromEntries(figures), hash: (runs[0] as Measurement).hash }
  return histogram.length === 0 ? result : { ...result, histogram }
}

function requireSameWork(bench: Bench, results: readonly SettingResult[]): void {
  const hashes = new Map<string, number>()
  for (const { setting, hash } of results) {
    const rest = workOf(bench, setting)
    const first = hashes.get(rest) ?? hash
    hashes.set(rest, first)
    if (first !== hash) throw new Error(`settings that differ in ${bench.compares} only did different work: ${rest}`)
  }
}

/** What settings have in common that are compared. */
function workOf({ compares }: Bench, setting: Setting): string {
  return JSON.stringify({ ...setting, [compares]: undefined })
}

function withRatios(bench: Bench, results: readonly SettingResult[]): SettingResult[] {
  const { reference, compares } = bench
  if (reference === undefined) return [...results]
  const { value, figure } = reference
  const yardsticks = new Map<string, Summary>()
  for (const { setting, figures } of results) {
    const summary = figures[figure]
    if (setting[compares] === value && summary !== undefined) yardsticks.set(workOf(bench, setting), summary)
  }
  return results.map((result) => {
    const ours = result.figures[figure]
    const theirs = yardsticks.get(workOf(bench, result.setting))
    if (result.setting[compares] === value || ours === undefined || theirs === undefined) return result
    const values = ours.values.map((each, round) => each / (theirs.values[round] as number))
    return { ...result, ratio: { ...summarise(values), median: median(ours.values) / median(theirs.values) } }
  })
}
