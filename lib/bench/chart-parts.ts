/** What the charts of the benchmarks have in common. */

/** The colours of sides: ours first, yardsticks after it. */
export function sideColor(...sides: readonly string[]): object {
  return {
    field: 'side',
    type: 'nominal',
    title: null,
    sort: sides,
    scale: { domain: sides, range: ['#1b6ca8', '#e08a1e', '#8a8a8a'].slice(0, sides.length) },
    legend: { orient: 'top', direction: 'horizontal', labelFontSize: 13, symbolSize: 120, columnPadding: 16 },
  }
}

export function chartFrame(text: string, subtitle: string): object {
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    background: 'white',
    padding: 12,
    title: { text, subtitle, anchor: 'start', fontSize: 17, subtitleFontSize: 12, subtitleColor: '#555', offset: 12 },
    config: {
      font: 'system-ui, Helvetica, Arial, sans-serif',
      view: { stroke: '#ddd' },
      axis: { labelFontSize: 11, titleFontSize: 12, titleFontWeight: 500, gridColor: '#eee' },
      header: { labelFontSize: 13, labelFontWeight: 600, title: null },
    },
  }
}
