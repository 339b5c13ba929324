/** The chart of `faultline bench copies`: a pair of bars for each operation, with the ratio above. */
import { chartFrame, sideColor } from '../chart-parts.js'

const x = { field: 'side', type: 'nominal', title: null, sort: ['mapped', 'copied'], axis: null }
const y = { field: 'perPage', type: 'quantitative', title: null, axis: { format: '~s' } }

export const COPIES_CHART: object = {
  ...chartFrame(
    'zeroCopy: µs a page',
    'medians and spread of the rounds; above the bars the ratio to a mount that copies',
  ),
  transform: [{ calculate: "isValid(datum.ratio) ? format(datum.ratio, '.2f') + 'x' : ''", as: 'times' }],
  facet: { field: 'op', type: 'nominal', sort: ['read', 'huge', 'write', 'sync', 'persist'], title: null },
  columns: 5,
  spec: {
    width: 110,
    height: 200,
    layer: [
      { mark: 'bar', encoding: { x, y, color: sideColor('mapped', 'copied') } },
      {
        mark: { type: 'rule', color: '#333' },
        encoding: { x, y: { field: 'perPage_min', type: 'quantitative' }, y2: { field: 'perPage_max' } },
      },
      {
        mark: { type: 'text', dy: -8, fontWeight: 600 },
        encoding: { x, y: { field: 'perPage_max', type: 'quantitative' }, text: { field: 'times' } },
      },
    ],
  },
  resolve: { scale: { y: 'independent' } },
}
