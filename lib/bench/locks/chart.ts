/** The chart of `faultline bench locks`: a column for each case; throughput above, latency below. */
const CASE_TITLES: Readonly<Record<string, string>> = {
  disjoint: 'disjoint pages',
  overlap: 'the same pages',
  truncate: 'while truncating',
  punch: 'while punching',
  slow: 'slow device, disjoint',
  'slow-same': 'slow device, same',
}

const color = {
  field: 'locking',
  type: 'nominal',
  title: 'locking',
  scale: { domain: ['entry', 'range', 'inode'], range: ['#1b6ca8', '#e08a1e', '#b3394a'] },
  legend: {
    orient: 'top',
    direction: 'horizontal',
    labelFontSize: 13,
    titleFontSize: 13,
    symbolType: 'stroke',
    symbolStrokeWidth: 3,
    symbolOpacity: 1,
    symbolSize: 300,
  },
}

const threads = {
  field: 'threads',
  type: 'quantitative',
  title: 'threads',
  scale: { type: 'log', base: 2 },
  axis: { values: [1, 2, 4, 8, 16], format: 'd', grid: false },
}

const column = (labels: boolean): object => ({
  field: 'case',
  type: 'nominal',
  title: null,
  sort: Object.keys(CASE_TITLES),
  header: labels
    ? { labelExpr: `${JSON.stringify(CASE_TITLES)}[datum.value]`, labelFontSize: 13, labelFontWeight: 600 }
    : { labels: false },
})

const PANEL = { width: 150, height: 150 }

const rowTitle = (text: string): object => ({ text, anchor: 'start', fontSize: 14, fontWeight: 600, offset: 8 })

const throughput = {
  title: rowTitle('Faults per second'),
  facet: { column: column(true) },
  spec: {
    ...PANEL,
    layer: [
      {
        mark: { type: 'area', opacity: 0.15 },
        encoding: {
          x: threads,
          y: { field: 'perSecond_min', type: 'quantitative' },
          y2: { field: 'perSecond_max' },
          color,
        },
      },
      {
        mark: { type: 'line', strokeWidth: 2.5, point: { size: 45, filled: true } },
        encoding: {
          x: { ...threads, title: null },
          y: {
            field: 'perSecond',
            type: 'quantitative',
            title: null,
            axis: { format: '~s', tickCount: 5, minExtent: 38 },
            scale: { zero: true },
          },
          color,
        },
      },
    ],
  },
  resolve: { scale: { y: 'independent' } },
}

const latency = {
  title: rowTitle('Latency of a fault, µs: p50 drawn through, p99 dashed'),
  transform: [{ fold: ['p50', 'p99'], as: ['percentile', 'microseconds'] }],
  facet: { column: column(false) },
  spec: {
    ...PANEL,
    mark: { type: 'line', strokeWidth: 2, point: { size: 30, filled: true } },
    encoding: {
      x: threads,
      y: {
        field: 'microseconds',
        type: 'quantitative',
        title: null,
        scale: { type: 'log' },
        axis: { format: '~s', tickCount: 4, minExtent: 38 },
      },
      color,
      strokeDash: {
        field: 'percentile',
        type: 'nominal',
        scale: {
          domain: ['p50', 'p99'],
          range: [
            [1, 0],
            [4, 3],
          ],
        },
        legend: null,
      },
    },
  },
  resolve: { scale: { y: 'independent' } },
}

export const LOCKS_CHART: object = {
  $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
  background: 'white',
  padding: 12,
  title: {
    text: 'Page faults under three locking designs',
    subtitle: 'medians; bands from the slowest to the fastest round; as many fault workers as threads',
    anchor: 'start',
    fontSize: 17,
    subtitleFontSize: 12,
    subtitleColor: '#555',
    offset: 12,
  },
  spacing: 18,
  vconcat: [throughput, latency],
  config: {
    font: 'system-ui, Helvetica, Arial, sans-serif',
    view: { stroke: '#ddd' },
    axis: { labelFontSize: 11, titleFontSize: 12, titleFontWeight: 500, gridColor: '#eee' },
  },
}
