/**
 * faultline bench crash: crash states a second, by engine and size of the region.
 *
 * The program stores to some lines and then sets a flag under one fence, so any of them may be lost: half the images
 * are bad. faultline goes from image to image by the lines that differ; the yardstick, copy, explores the same states
 * with the same engine and makes each image from a copy of the whole region, as tools do that write images out.
 */
import { ENGINE_NAMES } from '../../crash/engines/index.js'
import type { Bench } from '../bench.js'
import { CRASH_CHART } from './chart.js'

export const crashBench: Bench = {
  name: 'crash',
  summary: 'crash states a second, by engine',
  description:
    'Crash states explored a second, by engine and size of the region, images made of the lines that differ against ' +
    'images that are copied whole. Pinned to one CPU.',
  parameters: [
    {
      name: 'engine',
      help: 'which states are looked at',
      default: 'exhaustive,deviating,random,prefix,guided',
      words: ENGINE_NAMES,
    },
    { name: 'size', help: 'KiB of the region', default: '64,1024', max: 1 << 20 },
    { name: 'lines', help: 'lines of data under one fence', default: '12', max: 20 },
    { name: 'time', help: 'ms to go on for, at least', default: '500', max: 60_000 },
    { name: 'side', help: 'how images are made', default: 'faultline,copy', words: ['faultline', 'copy'] },
  ],
  figures: [
    { key: 'perSecond', label: 'states/s', unit: '', digits: 0 },
    { key: 'perState', label: 'a state', unit: 'µs', digits: 2 },
    { key: 'states', label: 'states', unit: '', digits: 0, isTerse: true },
  ],
  compares: 'side',
  // The states of 'prefix' are too few to tell.
  reference: { value: 'copy', figure: 'perState', limit: ({ engine }) => (engine === 'prefix' ? undefined : 1) },
  chart: () => CRASH_CHART,
  // Guided asks which lines were read, of memory that is watched in place.
  isPossible: ({ engine, side }) => engine !== 'guided' || side === 'faultline',
  isPinned: () => true,
  async measure(setting, context) {
    const { measureCrash } = await import('./measure.js')
    return measureCrash(setting, context)
  },
}
