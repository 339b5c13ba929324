/** The chart of `faultline bench faults`: a group of bars for each kind of fault, with the ratio to C above ours. */
import { SIDE_COLOR, chartFrame } from '../chart-parts.js'

const x = { field: 'kind', type: 'nominal', title: null, sort: null, axis: { labelAngle: 0 } }
const xOffset = { field: 'side', sort: null }
const y = { field: 'perFault', type: 'quantitative', title: null }

export const FAULTS_CHART: object = {
  ...chartFrame('A page fault of 4 KiB, µs', 'medians and spread of the rounds; above the bars the ratio to C'),
  transform: [
    {
      calculate:
        "{one: 'both on one CPU', all: 'not pinned, defaults', colocate: 'colocate, C on one CPU'}[datum.cpus] + " +
        "', ' + datum.threads + (datum.threads > 1 ? ' threads' : ' thread')",
      as: 'where',
    },
    { calculate: "datum.tracking === 'async' ? datum.op + ', async' : datum.op", as: 'kind' },
    { calculate: "isValid(datum.ratio) ? format(datum.ratio, '.2f') + 'x' : ''", as: 'times' },
  ],
  facet: { field: 'where', type: 'nominal', sort: null, header: { labelFontSize: 13, title: null } },
  columns: 2,
  spec: {
    width: 380,
    height: 200,
    layer: [
      { mark: 'bar', encoding: { x, xOffset, y, color: SIDE_COLOR } },
      {
        mark: { type: 'rule', color: '#333' },
        encoding: { x, xOffset, y: { field: 'perFault_min', type: 'quantitative' }, y2: { field: 'perFault_max' } },
      },
      {
        mark: { type: 'text', dy: -14, dx: 8, fontWeight: 600 },
        encoding: { x, xOffset, y: { field: 'perFault_max', type: 'quantitative' }, text: { field: 'times' } },
      },
    ],
  },
  resolve: { scale: { y: 'independent' } },
}
