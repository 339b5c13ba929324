/** The chart of `faultline bench sync`: cost of a dirty page by number of dirty pages, a line for each mapping size. */
import { chartFrame, sideColor } from '../chart-parts.js'

export const SYNC_CHART: object = {
  ...chartFrame('msync: what a dirty page costs, µs', 'medians; the C loop makes the same kernel calls; one CPU'),
  transform: [
    { calculate: "datum.pattern === 'seq' ? 'neighbouring pages' : 'pages far apart'", as: 'where' },
    { calculate: "datum.mapping + ' MiB'", as: 'size' },
  ],
  facet: { column: { field: 'where', type: 'nominal', sort: null } },
  spec: {
    width: 300,
    height: 240,
    mark: { type: 'line', strokeWidth: 2, point: { size: 50, filled: true } },
    encoding: {
      x: { field: 'pages', type: 'quantitative', title: 'dirty pages', scale: { type: 'log' }, axis: { format: 'd' } },
      y: { field: 'perPage', type: 'quantitative', title: null, scale: { type: 'log' }, axis: { format: '~s' } },
      color: sideColor('faultline', 'c'),
      strokeDash: {
        field: 'size',
        type: 'nominal',
        sort: null,
        title: 'mapping',
        legend: { symbolType: 'stroke', symbolStrokeWidth: 2, symbolSize: 400 },
      },
    },
  },
}
