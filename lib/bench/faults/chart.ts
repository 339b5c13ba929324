/**
 * The charts of `faultline bench faults`: a group of bars for each kind of fault, with the ratio to C above ours; then
 * throughput by threads, when there are several numbers of them, and how latencies are distributed.
 */
import { chartFrame, sideColor } from '../chart-parts.js'
import type { SettingResult } from '../run-bench.js'

const WHERE = {
  calculate:
    "{one: 'both on one CPU', all: 'not pinned, defaults', colocate: 'colocate, C on one CPU'}[datum.cpus] + " +
    "', ' + datum.threads + (datum.threads > 1 ? ' threads' : ' thread')",
  as: 'where',
}
const KIND = {
  calculate:
    "datum.op + (datum.tracking === 'async' ? ', async' : '') + (datum.size === '2M' ? ' 2M' : '')" +
    " + (datum.around > 1 ? ', around ' + datum.around : '') + (datum.pattern === 'random' ? ', random' : '')",
  as: 'kind',
}
const color = sideColor('faultline', 'c')
const x = { field: 'kind', type: 'nominal', title: null, sort: null, axis: { labelAngle: 0 } }
const xOffset = { field: 'side', sort: null }
const y = { field: 'perPage', type: 'quantitative', title: null }
const HEADER = { labelFontSize: 13, title: null }
const ROW_HEADER = { ...HEADER, labelAngle: 0, labelAlign: 'left' }

function title(text: string): object {
  return { text, anchor: 'start', fontSize: 14, fontWeight: 600, offset: 8 }
}

const BARS = {
  title: title('A page, µs: medians and spread of the rounds, above the bars the ratio to C'),
  transform: [WHERE, KIND, { calculate: "isValid(datum.ratio) ? format(datum.ratio, '.2f') + 'x' : ''", as: 'times' }],
  facet: { field: 'where', type: 'nominal', sort: null, header: HEADER },
  columns: 2,
  spec: {
    width: 380,
    height: 200,
    layer: [
      { mark: 'bar', encoding: { x, xOffset, y, color } },
      {
        mark: { type: 'rule', color: '#333' },
        encoding: { x, xOffset, y: { field: 'perPage_min', type: 'quantitative' }, y2: { field: 'perPage_max' } },
      },
      {
        mark: { type: 'text', dy: -14, dx: 8, fontWeight: 600 },
        encoding: { x, xOffset, y: { field: 'perPage_max', type: 'quantitative' }, text: { field: 'times' } },
      },
    ],
  },
  resolve: { scale: { y: 'independent' } },
}

const LATENCIES = {
  title: title('Latency of a fault: percent of the faults by µs, both logarithmic; rows: CPUs, threads'),
  data: { name: 'latencies' },
  transform: [KIND, { calculate: "datum.cpus + ', ' + datum.threads", as: 'row' }, { filter: 'datum.percent > 0' }],
  facet: {
    column: { field: 'kind', type: 'nominal', sort: null, header: HEADER },
    row: { field: 'row', type: 'nominal', sort: null, header: ROW_HEADER },
  },
  spec: {
    width: 170,
    height: 130,
    mark: { type: 'line', interpolate: 'step-after', strokeWidth: 1.8 },
    encoding: {
      x: {
        field: 'microseconds',
        type: 'quantitative',
        title: null,
        scale: { type: 'log' },
        axis: { format: '~s', tickCount: 4 },
      },
      y: {
        field: 'percent',
        type: 'quantitative',
        title: null,
        scale: { type: 'log' },
        axis: { format: '~r', tickCount: 4 },
      },
      color,
    },
  },
}

const THREADS = {
  title: title('Pages a second by threads'),
  transform: [KIND],
  facet: {
    column: { field: 'kind', type: 'nominal', sort: null, header: HEADER },
    row: { field: 'cpus', type: 'nominal', sort: null, header: ROW_HEADER },
  },
  spec: {
    width: 170,
    height: 130,
    mark: { type: 'line', strokeWidth: 2, point: { size: 40, filled: true } },
    encoding: {
      x: {
        field: 'threads',
        type: 'quantitative',
        title: 'threads',
        scale: { type: 'log', base: 2 },
        axis: { values: [1, 2, 4, 8, 16], format: 'd', grid: false },
      },
      y: { field: 'perSecond', type: 'quantitative', title: null, axis: { format: '~s', tickCount: 4 } },
      color,
    },
  },
}

export function faultsChart(results: readonly SettingResult[]): object {
  const hasThreads = new Set(results.map(({ setting }) => setting['threads'])).size > 1
  const hasLatencies = results.some(({ histogram }) => histogram !== undefined)
  return {
    ...chartFrame('Page faults', 'against a handler in C++ that makes the same kernel calls'),
    spacing: 24,
    vconcat: [BARS, ...(hasThreads ? [THREADS] : []), ...(hasLatencies ? [LATENCIES] : [])],
  }
}
