/** Running a benchmark over a sweep. */
import { fileURLToPath } from 'node:url'
import type { Bench, Measurement } from './bench.js'
import type { MeasureRequest } from './bench-process.js'
import { type Environment, environmentOf } from './environment.js'
import { byTurns, runProgram } from './run-program.js'
import { type Summary, summarise } from './statistics.js'
import { type Setting, type Sweep, settingsOf } from './sweep.js'

export interface SettingResult {
  readonly setting: Setting
  readonly figures: Readonly<Record<string, Summary>>
  readonly hash: number
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
  const settings = settingsOf(sweep)
  let done = 0
  const measurements = await byTurns(settings.length, rounds, async (side) => {
    const request: MeasureRequest = { name: bench.name, setting: settings[side] as Setting, seed }
    const measurement = (await runProgram(
      process.execPath,
      [PROCESS, JSON.stringify(request)],
      undefined,
    )) as Measurement
    onProgress?.(++done)
    return measurement
  })
  const results = settings.map((setting, i) => summariseSetting(bench, setting, measurements[i] ?? []))
  requireSameWork(bench, results)
  return { bench: bench.name, environment: environmentOf({ rounds, seed }), results }
}

/** Measurements runBench makes. */
export function measurementsOf(sweep: Sweep, rounds: number): number {
  return settingsOf(sweep).length * rounds
}

function summariseSetting(bench: Bench, setting: Setting, runs: readonly Measurement[]): SettingResult {
  const hashes = new Set(runs.map(({ hash }) => hash))
  if (hashes.size !== 1) throw new Error(`rounds of ${JSON.stringify(setting)} did different work`)
  const figures = bench.figures.map(
    ({ key }) => [key, summarise(runs.map((run) => run.figures[key] as number))] as const,
  )
  return { setting, figures: Object.fromEntries(figures), hash: (runs[0] as Measurement).hash }
}

function requireSameWork({ compares }: Bench, results: readonly SettingResult[]): void {
  const hashes = new Map<string, number>()
  for (const { setting, hash } of results) {
    const rest = JSON.stringify({ ...setting, [compares]: undefined })
    const first = hashes.get(rest) ?? hash
    hashes.set(rest, first)
    if (first !== hash) throw new Error(`settings that differ in ${compares} only did different work: ${rest}`)
  }
}
