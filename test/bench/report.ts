/** What a benchmark run prints. */
import Table from 'cli-table3'
import { type Environment, environmentOf as describeMachine } from '../../lib/bench/environment.js'
import type { Summary } from '../../lib/bench/statistics.js'
import { AROUND_RATIO_LIMIT, FAULT_RATIO_LIMIT, FIGURES, type FigureInfo } from './figures.js'
import type { CaseResult, FaultResult, FigureResult, RunOptions } from './runner.js'

export interface BenchReport {
  readonly environment: Environment
  readonly results: readonly CaseResult[]
}

export function environmentOf({ cpu, rounds, seed }: RunOptions): Environment {
  return describeMachine({ pinned: cpu === undefined ? 'no' : `CPU ${cpu}`, rounds, seed })
}

export function renderReport({ environment, results }: BenchReport): string {
  const faults = results.filter((result): result is FaultResult => 'ratio' in result)
  const others = results.filter((result): result is FigureResult => 'figures' in result)
  const parts = [Object.entries(environment).map(([name, value]) => `${name.padEnd(7)} ${value}`)]
  if (faults.length > 0) parts.push([renderFaults(faults, environment['pinned'] !== 'no')])
  if (others.length > 0) parts.push([renderFigures(others)])
  return parts.map((lines) => lines.join('\n')).join('\n\n')
}

function renderFaults(results: readonly FaultResult[], isPinned: boolean): string {
  const table = newTable(['fault, µs each', 'TypeScript', 'spread', 'C', 'spread', 'ratio', 'by round', 'target'])
  for (const { name, typescript, c, ratio, roundRatios } of results) {
    table.push([
      name,
      microseconds(typescript.median),
      spread(typescript, microseconds),
      microseconds(c.median),
      spread(c, microseconds),
      `${ratio.toFixed(3)}x`,
      spread(roundRatios, (value) => value.toFixed(2)),
      // Asleep on another CPU, both sides cost what the wake-up costs: a ratio there says nothing of the code.
      isPinned ? verdict(ratio, name === 'minor-around' ? AROUND_RATIO_LIMIT : FAULT_RATIO_LIMIT, 'x') : '',
    ])
  }
  return table.toString()
}

function renderFigures(results: readonly FigureResult[]): string {
  const table = newTable(['case', 'figure', 'median', 'spread', 'target'])
  for (const { name, figures } of results) {
    for (const info of FIGURES[name]) {
      const summary = figures[info.key]
      if (summary !== undefined) table.push([name, info.label, ...figureCells(info, summary)])
    }
  }
  return table.toString()
}

function figureCells({ unit, limit }: FigureInfo, summary: Summary): string[] {
  const target = limit === undefined ? '' : verdict(summary.median, limit, unit)
  return [`${number(summary.median)} ${unit}`, spread(summary, number), target]
}

function newTable(head: string[]): Table.Table {
  return new Table({ head, style: { head: [], border: [] } })
}

function verdict(value: number, limit: number, unit: string): string {
  return `${value <= limit ? 'met' : 'MISSED'}: at most ${limit} ${unit}`
}

function spread({ min, max }: Summary, format: (value: number) => string): string {
  return `${format(min)} … ${format(max)}`
}

function microseconds(nanoseconds: number): string {
  return (nanoseconds / 1000).toFixed(2)
}

function number(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(2)
}
