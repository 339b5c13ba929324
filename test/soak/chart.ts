/** The chart of a soak: what the process held, over time; a panel for each thing, each with its own scale. */
import { drawSpecification } from '../../lib/bench/chart.js'
import { KINDS, type Sample } from './verdict.js'

const PANEL = { width: 620, height: 70 }

/** Return: an SVG document. Errors: ChartError. */
export function drawSoak(samples: readonly Sample[], warmSeconds: number, subtitle: string): Promise<string> {
  const panels = KINDS.map(({ key, title, unit }) => ({
    ...PANEL,
    title: { text: title, anchor: 'start', frame: 'group', fontSize: 13, fontWeight: 600, offset: 4 },
    data: { values: samples.map((sample) => ({ minutes: sample.seconds / 60, value: sample[key] / unit })) },
    layer: [
      {
        mark: { type: 'rect', color: '#eee' },
        data: { values: [{ from: 0, to: warmSeconds / 60 }] },
        encoding: { x: { field: 'from', type: 'quantitative' }, x2: { field: 'to' } },
      },
      {
        mark: { type: 'line', color: '#1b6ca8', strokeWidth: 1.5 },
        encoding: {
          x: { field: 'minutes', type: 'quantitative', title: null, scale: { nice: false }, axis: { grid: false } },
          y: { field: 'value', type: 'quantitative', title: null, scale: { zero: true }, axis: { tickCount: 3 } },
        },
      },
    ],
  }))
  return drawSpecification({
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    background: 'white',
    padding: 12,
    title: {
      text: 'Stress with failing media: what the process holds',
      subtitle: [subtitle, 'minutes; grey: warm-up, not judged'],
      anchor: 'start',
      fontSize: 17,
      subtitleFontSize: 12,
      subtitleColor: '#555',
      offset: 12,
    },
    spacing: 14,
    vconcat: panels,
    config: {
      font: 'system-ui, Helvetica, Arial, sans-serif',
      view: { stroke: '#ddd' },
      axis: { labelFontSize: 11, gridColor: '#eee' },
      // The panels begin at one line, whatever their numbers.
      axisY: { minExtent: 40 },
    },
  })
}
