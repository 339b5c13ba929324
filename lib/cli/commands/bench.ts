/** faultline bench NAME: measure, print a table, draw a chart. */
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { BaselineError, type Comparison, compareResults, parseBaseline } from '../../bench/baseline.js'
import type { Bench, Figure, Reference } from '../../bench/bench.js'
import { ChartError, drawChart, loadChartLibraries } from '../../bench/chart.js'
import { renderHtml } from '../../bench/html.js'
import { type BenchResult, type SettingResult, measurementsOf, runBench } from '../../bench/run-bench.js'
import type { Sweep } from '../../bench/sweep.js'
import { CommandError, ExitStatus, requireMachine } from '../failure.js'
import { type Cell, formatCount, formatPairs, formatTable, print, printJson } from '../format.js'
import { makeProgress } from '../progress.js'

export interface BenchOptions {
  rounds: number
  seed: number
  json?: boolean
  svg?: string
  html?: string
  /** A file that --json made. */
  baseline?: string
  /** Percent a ratio may grow. */
  tolerance: number
}

/** Is any combination of these values one that the benchmark can measure? */
export function isMeasurable(bench: Bench, sweep: Sweep): boolean {
  return measurementsOf(bench, sweep, 1) > 0
}

/** Errors: CommandError; what a measurement says when it fails. */
export async function benchCommand(bench: Bench, sweep: Sweep, options: BenchOptions): Promise<ExitStatus> {
  requireMachine()
  await requireCharts(options)
  const baseline = options.baseline === undefined ? undefined : readBaseline(bench, options.baseline)
  const { rounds, seed } = options
  const progress = makeProgress(`bench ${bench.name}`)
  progress.start(measurementsOf(bench, sweep, rounds))
  let result: BenchResult
  try {
    result = await runBench(bench, sweep, { rounds, seed, onProgress: (done) => progress.update(done) })
  } finally {
    progress.stop()
  }
  if (options.json === true) printJson(result)
  else print(formatPairs(Object.entries(result.environment).map(([name, value]) => [name, String(value)])), '')
  if (options.json !== true) print(benchTable(bench, result))
  await writeCharts(bench, result, options)
  return baseline === undefined ? ExitStatus.Ok : compareTo(baseline, bench, result, options)
}

/** Before minutes of measuring, not after. */
function readBaseline(bench: Bench, path: string): BenchResult {
  try {
    return parseBaseline(bench, readFileSync(path, 'utf8'))
  } catch (error) {
    if (error instanceof BaselineError) throw new CommandError(`baseline '${path}': ${error.message}`)
    throw error
  }
}

/** To stderr: standard output may be JSON. */
function compareTo(baseline: BenchResult, bench: Bench, result: BenchResult, options: BenchOptions): ExitStatus {
  let comparisons
  try {
    comparisons = compareResults(result, baseline, options.tolerance / 100)
  } catch (error) {
    if (error instanceof BaselineError) throw new CommandError(`baseline '${options.baseline}': ${error.message}`)
    throw error
  }
  const worse = comparisons.filter(({ isWorse }) => isWorse)
  const told = `${comparisons.length} ratios against ${options.baseline}: ${worse.length} worse by more than`
  process.stderr.write(`${told} ${options.tolerance} %\n${worse.map((each) => describeWorse(bench, each)).join('')}`)
  return worse.length === 0 ? ExitStatus.Ok : ExitStatus.Worse
}

function describeWorse({ reference }: Bench, { setting, before, now }: Comparison): string {
  const words = Object.entries(setting).map(([name, value]) => `${name}=${value}`)
  return `  ${words.join(' ')}: ${now.toFixed(3)}x of ${reference?.value}, was ${before.toFixed(3)}x\n`
}

/** Before minutes of measuring, not after. */
async function requireCharts({ svg, html }: BenchOptions): Promise<void> {
  const files = [svg, html].filter((file) => file !== undefined)
  if (files.length === 0) return
  for (const file of files) {
    const directory = dirname(resolve(file))
    if (statSync(directory, { throwIfNoEntry: false })?.isDirectory() !== true) {
      throw new CommandError(`no such directory: '${directory}'`)
    }
  }
  try {
    await loadChartLibraries()
  } catch (error) {
    if (error instanceof ChartError) throw new CommandError(error.message)
    throw error
  }
}

async function writeCharts(bench: Bench, result: BenchResult, { svg, html }: BenchOptions): Promise<void> {
  if (svg === undefined && html === undefined) return
  const drawing = await drawChart(bench, result)
  if (svg !== undefined) writeFileSync(svg, drawing)
  if (html !== undefined)
    writeFileSync(html, renderHtml(result, drawing, `faultline: ${bench.summary}`, benchTable(bench, result)))
}

/** A row for each setting: parameters that were swept, then median and spread of each figure, then the ratio. */
export function benchTable(bench: Bench, { results }: BenchResult): string {
  const swept = bench.parameters.filter(({ name }) => new Set(results.map(({ setting }) => setting[name])).size > 1)
  const shown = swept.length > 0 ? swept : bench.parameters.slice(0, 1)
  const figures = bench.figures.filter(({ key }) => results.some((result) => (result.figures[key]?.max ?? 0) > 0))
  const head = [
    ...shown.map(({ name }) => name),
    ...figures.flatMap(({ label, unit, isTerse }) => [
      unit === '' ? label : `${label} ${unit}`,
      ...(isTerse === true ? [] : ['spread']),
    ]),
    ...(bench.reference === undefined ? [] : [`to ${bench.reference.value}`, 'by round', 'target']),
  ]
  const rows = results.map((result): Cell[] => [
    ...shown.map(({ name }) => String(result.setting[name])),
    ...figures.flatMap((figure) => figureCells(figure, result)),
    ...(bench.reference === undefined ? [] : ratioCells(bench, bench.reference, result)),
  ])
  return formatTable(head, rows)
}

function figureCells({ key, digits, isTerse }: Figure, { figures }: SettingResult): Cell[] {
  const summary = figures[key]
  if (summary === undefined || summary.max === 0) return isTerse === true ? [''] : ['', '']
  const format = (value: number): string => (digits === 0 ? formatCount(Math.round(value)) : value.toFixed(digits))
  if (isTerse === true) return [format(summary.median)]
  return [format(summary.median), `${format(summary.min)} … ${format(summary.max)}`]
}

function ratioCells(bench: Bench, reference: Reference, { setting, ratio, figures }: SettingResult): Cell[] {
  const limits = bench.figures.flatMap(({ key, label, unit, digits, limit }) =>
    limitCell(`${label} `, figures[key]?.median, limit?.(setting), digits, unit === '' ? '' : ` ${unit}`),
  )
  const ofRatio = limitCell('', ratio?.median, reference.limit?.(setting), 3, 'x')
  const targets = [...ofRatio, ...limits].join('; ')
  if (ratio === undefined) return ['', '', targets]
  return [`${ratio.median.toFixed(3)}x`, `${ratio.min.toFixed(2)} … ${ratio.max.toFixed(2)}`, targets]
}

/** Of what: said before the limit. Return: nothing when there is no limit or no value. */
function limitCell(of: string, value: number | undefined, limit: number | undefined, digits: number, unit: string) {
  if (limit === undefined || value === undefined) return []
  const isMet = value <= limit
  return [`${of}${isMet ? 'met' : `MISSED (${value.toFixed(digits)}${unit})`}: at most ${limit}${unit}`]
}
