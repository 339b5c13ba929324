/**
 * A chart of a benchmark as SVG, drawn by Vega-Lite without a browser.
 *
 * vega and vega-lite are optional peer dependencies, loaded here and nowhere else: with what they need they are 70
 * packages and 25 MB, for a picture that few users of a mount ever want.
 */
import type * as Vega from 'vega'
import type * as VegaLite from 'vega-lite'
import type { Bench } from './bench.js'
import { bucketStart } from './histogram.js'
import type { BenchResult } from './run-bench.js'

export class ChartError extends Error {
  override readonly name = 'ChartError'
}

interface Libraries {
  readonly vega: typeof Vega
  readonly vegaLite: typeof VegaLite
}

/** Errors: ChartError saying what to install. */
export async function loadChartLibraries(): Promise<Libraries> {
  try {
    const [vega, vegaLite] = await Promise.all([import('vega'), import('vega-lite')])
    return { vega, vegaLite }
  } catch {
    throw new ChartError(
      'charts are drawn by vega and vega-lite, which are not installed\n  mend: npm install vega@6.4 vega-lite@6.4.3',
    )
  }
}

/** One flat row for each setting: its values, the median of each figure and of the ratio, and KEY_min, KEY_max. */
export function rowsOf({ results }: BenchResult): Record<string, number | string>[] {
  return results.map(({ setting, figures, ratio }) => {
    const all = ratio === undefined ? figures : { ...figures, ratio }
    const cells = Object.entries(all).flatMap(([key, { median, min, max }]) => [
      [key, median],
      [`${key}_min`, min],
      [`${key}_max`, max],
    ])
    return { ...setting, ...(Object.fromEntries(cells) as Record<string, number>) }
  })
}

/** A row for each bucket of a histogram: percent of the setting's latencies, and where the bucket begins. */
function latenciesOf({ results }: BenchResult): Record<string, number | string>[] {
  return results.flatMap(({ setting, histogram = [] }) => {
    const all = histogram.reduce((sum, count) => sum + count, 0)
    const first = histogram.findIndex((count) => count > 0)
    return histogram
      .map((count, i) => ({ ...setting, microseconds: bucketStart(i), percent: (count / all) * 100 }))
      .slice(Math.max(0, first - 1))
  })
}

/** Return: an SVG document. Errors: ChartError. */
export function drawChart(bench: Bench, result: BenchResult): Promise<string> {
  return drawSpecification({
    ...bench.chart(result.results),
    datasets: { latencies: latenciesOf(result) },
    data: { values: rowsOf(result) },
  })
}

/** specification: of Vega-Lite, with its data. Return: an SVG document. Errors: ChartError. */
export async function drawSpecification(specification: object): Promise<string> {
  const { vega, vegaLite } = await loadChartLibraries()
  const { spec } = vegaLite.compile(specification as Parameters<typeof vegaLite.compile>[0])
  return new vega.View(vega.parse(spec), { renderer: 'none' }).toSVG()
}
