/** The chart of `faultline bench crash`: a pair of bars for each engine, with how many times the yardstick it does. */
import { chartFrame, sideColor } from '../chart-parts.js'

const x = { field: 'engine', type: 'nominal', title: null, sort: null, axis: { labelAngle: 0 } }
const xOffset = { field: 'side', sort: null }
const y = { field: 'perSecond', type: 'quantitative', title: null, axis: { format: '~s' } }

export const CRASH_CHART: object = {
  ...chartFrame(
    'Crash states a second',
    'medians and spread of the rounds; above ours, how many times as many as with whole copies',
  ),
  transform: [{ calculate: "isValid(datum.ratio) ? format(1 / datum.ratio, '.1f') + 'x' : ''", as: 'times' }],
  facet: { column: { field: 'size', type: 'ordinal', header: { labelExpr: "datum.value + ' KiB'" } } },
  spec: {
    width: 380,
    height: 220,
    layer: [
      { mark: 'bar', encoding: { x, xOffset, y, color: sideColor('faultline', 'copy') } },
      {
        mark: { type: 'rule', color: '#333' },
        encoding: { x, xOffset, y: { field: 'perSecond_min', type: 'quantitative' }, y2: { field: 'perSecond_max' } },
      },
      {
        mark: { type: 'text', dy: -8, fontWeight: 600 },
        encoding: { x, xOffset, y: { field: 'perSecond_max', type: 'quantitative' }, text: { field: 'times' } },
      },
    ],
  },
}
