/**
 * faultline bench copies: what mount option zeroCopy saves, against a mount that has cache and media apart.
 *
 *   read    the first load of a page with data        huge    the same where 2 MiB are mapped at once, by page
 *   write   the first store to a page without         sync    msync of pages with one line stored to, by page
 *   persist a store, flush and fence of its line
 *
 * Both sides on tmpfs (FAULTLINE_BENCH_DIR, or /dev/shm), so that the copy is all that differs.
 */
import type { Bench } from '../bench.js'
import { COPIES_CHART } from './chart.js'

export const COPIES_OPS = ['read', 'huge', 'write', 'sync', 'persist'] as const
export type CopiesOp = (typeof COPIES_OPS)[number]

/** A hole is filled with zeroes on both sides: nothing is saved there. */
const LIMITS: Readonly<Partial<Record<CopiesOp, number>>> = { read: 0.9, huge: 0.75, sync: 0.75, persist: 0.75 }

export const copiesBench: Bench = {
  name: 'copies',
  summary: 'media mapped itself (zeroCopy) against a cache beside it',
  description:
    'First accesses, msync and flush of a mount with zeroCopy, whose mappings map media on tmpfs, against one that ' +
    'copies between media and cache. Pinned to one CPU.',
  parameters: [
    { name: 'op', help: 'what is done', default: COPIES_OPS.join(','), words: COPIES_OPS },
    { name: 'pages', help: 'pages of the file', default: '16384', min: 1024, max: 1 << 18 },
    { name: 'side', help: 'how media and mappings are', default: 'mapped,copied', words: ['mapped', 'copied'] },
  ],
  figures: [{ key: 'perPage', label: 'a page', unit: 'µs', digits: 2 }],
  compares: 'side',
  reference: { value: 'copied', figure: 'perPage', limit: ({ op }) => LIMITS[op as CopiesOp] },
  chart: () => COPIES_CHART,
  isPinned: () => true,
  async measure(setting, context) {
    const { measureCopies } = await import('./measure.js')
    return Promise.resolve(measureCopies(setting, context))
  },
}
