/** The chart of `faultline bench mount`: a pair of bars for each case, with the ratio above ours. */
import { chartFrame, sideColor } from '../chart-parts.js'

const x = { field: 'side', type: 'nominal', title: null, sort: ['faultline', 'host'], axis: null }
const y = { field: 'taken', type: 'quantitative', title: null, axis: { format: '~s' } }

export const MOUNT_CHART: object = {
  ...chartFrame('From mount to use, ms', 'medians and spread of the rounds; above the bars the ratio to the host'),
  transform: [
    {
      calculate:
        "(datum.case === 'start' ? 'mount, open, map; Node: Workers' : 'read a cold file; host: read(2)') + " +
        "(datum.cpus === 'one' ? ', one CPU' : ', all CPUs')",
      as: 'what',
    },
    { calculate: "(datum.case === 'start' ? 0 : 2) + (datum.cpus === 'one' ? 0 : 1)", as: 'place' },
    {
      calculate:
        "(isValid(datum.ratio) ? format(datum.ratio, '.2f') + 'x' : '') + " +
        "(isValid(datum.firstFault) ? ', first fault ' + format(datum.firstFault, '.1f') + ' ms' : '')",
      as: 'times',
    },
  ],
  facet: {
    field: 'what',
    type: 'nominal',
    sort: { field: 'place', op: 'min' },
    header: { labelFontSize: 13, title: null },
  },
  columns: 2,
  spec: {
    width: 300,
    height: 200,
    layer: [
      { mark: 'bar', encoding: { x, y, color: sideColor('faultline', 'host') } },
      {
        mark: { type: 'rule', color: '#333' },
        encoding: { x, y: { field: 'taken_min', type: 'quantitative' }, y2: { field: 'taken_max' } },
      },
      {
        mark: { type: 'text', dy: -8, fontWeight: 600 },
        encoding: { x, y: { field: 'taken_max', type: 'quantitative' }, text: { field: 'times' } },
      },
    ],
  },
  resolve: { scale: { y: 'independent' } },
}
