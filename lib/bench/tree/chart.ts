/** The chart of `faultline bench tree`: a group of bars for each operation, with the spread of the rounds. */
import { chartFrame, sideColor } from '../chart-parts.js'

const x = { field: 'order', type: 'nominal', title: null, axis: { labelAngle: 0 } }
const xOffset = { field: 'side', sort: null }

export const TREE_CHART: object = {
  ...chartFrame('Radix tree: nanoseconds an operation', 'medians, and from the quickest to the slowest round; one CPU'),
  facet: { column: { field: 'op', type: 'nominal', sort: null } },
  spec: {
    width: 170,
    height: 220,
    layer: [
      {
        mark: 'bar',
        encoding: {
          x,
          xOffset,
          y: { field: 'perOperation', type: 'quantitative', title: null },
          color: sideColor('faultline', 'c', 'map'),
        },
      },
      {
        mark: { type: 'rule', color: '#333' },
        encoding: {
          x,
          xOffset,
          y: { field: 'perOperation_min', type: 'quantitative' },
          y2: { field: 'perOperation_max' },
        },
      },
    ],
  },
}
