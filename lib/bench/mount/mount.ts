/**
 * faultline bench mount: how soon a file can be used, and how fast a cold one is read from its beginning to its end.
 *
 *   start   mount, open and map a file, then its first page fault; against Node starting as many bare Workers
 *   read    a file that the host has not cached, through faults; against read(2) into a buffer
 *
 * A mount cannot be quicker than its fault workers, which are Workers, so Node is the yardstick. Both sides are new
 * processes that have loaded their modules. The watchdog is no part of it: it starts when a worker has nothing to do.
 */
import type { Bench } from '../bench.js'
import type { Setting } from '../sweep.js'
import { MOUNT_CHART } from './chart.js'

/** Times what Node takes for the same number of Workers; times read(2). */
const START_LIMIT = 1.5
const READ_LIMIT = 2
const FIRST_FAULT_LIMIT_MS = 5

function isOurs({ side }: Setting): boolean {
  return side === 'faultline'
}

export const mountBench: Bench = {
  name: 'mount',
  summary: 'mounting, the first fault, and reading a cold file',
  description:
    'Mount, open and map a file against Node starting as many Workers as the mount has, and the first page fault; ' +
    'then a file that the host has not cached, read through faults against read(2) into a buffer.',
  parameters: [
    { name: 'case', help: 'what is done', default: 'start,read', words: ['start', 'read'] },
    { name: 'cpus', help: 'where the threads run', default: 'one,all', words: ['one', 'all'] },
    { name: 'size', help: 'MiB of the file', default: '1024', max: 4096 },
    { name: 'workers', help: 'fault workers, and bare Workers', default: '2', max: 16 },
    { name: 'side', help: 'who does it', default: 'faultline,host', words: ['faultline', 'host'] },
  ],
  figures: [
    { key: 'taken', label: 'taken', unit: 'ms', digits: 1 },
    {
      key: 'firstFault',
      label: 'first fault',
      unit: 'ms',
      digits: 2,
      limit: (setting) => (isOurs(setting) ? FIRST_FAULT_LIMIT_MS : undefined),
    },
    { key: 'perSecond', label: 'MiB/s', unit: '', digits: 0 },
  ],
  compares: 'side',
  reference: {
    value: 'host',
    figure: 'taken',
    limit: (setting) => (setting['case'] === 'start' ? START_LIMIT : READ_LIMIT),
  },
  chart: () => MOUNT_CHART,
  isPinned: ({ cpus }) => cpus === 'one',
  async measure(setting, context) {
    const { measureMount } = await import('./measure.js')
    return measureMount(setting, context)
  },
}
