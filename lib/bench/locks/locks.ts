/**
 * faultline bench locks: page faults of several threads under each locking design.
 *
 * Every measured access is one load or store of a user thread to a page that is not in its page table, so it is a fault
 * by construction; the clock runs around the access and nothing else. `faults` of them are shared out over `threads`
 * threads, and there are as many fault workers as threads, so that what a design lets run side by side can.
 *
 *   disjoint   each thread has pages of its own, in one file; each page is touched once
 *   overlap    all threads touch the same pages, each through a mapping of its own
 *   truncate   pages of its own again, dropped from the page table before each access; the main thread meanwhile cuts
 *              and grows the file behind them, which unmaps the whole file every time
 *   punch      the same with holes punched behind them: a punch locks the whole file here, under every design
 *   slow       disjoint, with `latency` µs for each fill of the cache
 *   slow-same  overlap, with the same
 *
 * Slow cases leave the CPU during a fill, so there overlap shows on few CPUs; a worker takes one fault at a time, lest
 * those of a batch wait for each other in their worker whatever the design.
 */
import { LOCKING_NAMES } from '../../config.js'
import type { Bench } from '../bench.js'
import { LOCKS_CHART } from './chart.js'
import type { LockCase } from './protocol.js'

const CASES: readonly LockCase[] = ['disjoint', 'overlap', 'truncate', 'punch', 'slow', 'slow-same']

export const locksBench: Bench = {
  name: 'locks',
  summary: 'page faults under the three locking designs',
  description:
    'Throughput and latency of page faults under the three locking designs: threads that fault on disjoint pages, ' +
    'on the same pages, while another truncates or punches, and with a slow device.',
  parameters: [
    { name: 'case', help: 'what the threads do', default: CASES.join(','), words: CASES },
    { name: 'locking', help: 'design', default: LOCKING_NAMES.join(','), words: LOCKING_NAMES },
    { name: 'threads', help: 'threads that fault, and fault workers', default: '1:*2:8', max: 16 },
    { name: 'faults', help: 'measured faults, all threads together', default: '4096', min: 64, max: 1 << 20 },
    { name: 'latency', help: 'µs of a fill in the slow cases', default: '200', min: 0, max: 1_000_000 },
  ],
  figures: [
    { key: 'perSecond', label: 'faults/s', unit: '', digits: 0 },
    { key: 'p50', label: 'p50', unit: 'µs', digits: 1 },
    { key: 'p99', label: 'p99', unit: 'µs', digits: 1 },
    { key: 'stormsPerSecond', label: 'truncates/s', unit: '', digits: 0 },
  ],
  compares: 'locking',
  reference: { value: 'inode', figure: 'p50' },
  chart: () => LOCKS_CHART,
  async measure(setting, context) {
    // What is needed to measure is loaded then: the command line knows of this on machines that cannot run it.
    const { measureLocks } = await import('./measure.js')
    return measureLocks(setting, context)
  },
}
