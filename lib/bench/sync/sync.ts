/**
 * faultline bench sync: msync of a mapping with some dirty pages, against a C loop that does the same kernel work.
 *
 * A turn stores to one word of each page and then syncs the whole mapping; the clock runs around the sync. The C loop
 * (native/bench/c_sync.cc) is told which pages are dirty and makes the same write-protects, compares, flushes and
 * copies, in one thread pinned to the same CPU. The cost of a dirty page must not depend on how large the mapping is.
 *
 *   seq      neighbouring pages: protected by runs
 *   spread   pages evenly over the mapping: protected one by one
 */
import { Page } from '../../constants.js'
import type { Bench } from '../bench.js'
import type { Setting } from '../sweep.js'
import { SYNC_CHART } from './chart.js'

export const MIB = 1 << 20
const LIMIT = 1.25

/** Pages from one dirty page to the next. */
export function strideOf({ pattern, mapping, pages }: Setting): number {
  const all = ((mapping as number) * MIB) / Page.Size
  return pattern === 'seq' ? 1 : Math.floor(all / (pages as number))
}

export const syncBench: Bench = {
  name: 'sync',
  summary: 'msync, by dirty pages and size of the mapping',
  description:
    'What msync costs, against a C loop that makes the same write-protects, compares and copies, by number of dirty ' +
    'pages, their neighbourhood, and the size of the mapping. Pinned to one CPU.',
  parameters: [
    { name: 'pattern', help: 'where the dirty pages are', default: 'seq,spread', words: ['seq', 'spread'] },
    { name: 'mapping', help: 'MiB of the mapping', default: '1,256,4096', max: 4096 },
    { name: 'pages', help: 'dirty pages', default: '1,100,10000', max: 1 << 20 },
    { name: 'total', help: 'dirty pages, all turns together', default: '100000', max: 1 << 26 },
    { name: 'side', help: 'who does it', default: 'faultline,c', words: ['faultline', 'c'] },
  ],
  figures: [
    { key: 'perPage', label: 'a dirty page', unit: 'µs', digits: 2 },
    { key: 'perCall', label: 'a call', unit: 'µs', digits: 1 },
  ],
  compares: 'side',
  reference: { value: 'c', figure: 'perPage', limit: () => LIMIT },
  chart: () => SYNC_CHART,
  isPossible: (setting) => (setting['pages'] as number) * Page.Size <= (setting['mapping'] as number) * MIB,
  isPinned: () => true,
  async measure(setting, context) {
    const { measureSync } = await import('./measure.js')
    return measureSync(setting, context)
  },
}
