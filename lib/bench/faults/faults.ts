/**
 * faultline bench faults: page faults against a handler in C++ that does the same kernel work and nothing else.
 *
 *   read        a page with data           hole-read  a page without        write   a store to one without
 *   mkwrite     a store to a page that a load has mapped                    minor   a load of a page in the cache
 *
 * tracking=async: mkwrite with dirtyTracking: 'async', where the host takes the store and nobody is told. What it is
 * held against is the fault that it does without: mkwrite as the C handler serves it.
 *
 * size=2M: read, hole-read and write of huge pages, which the C handler resolves in one call of 2 MiB each. around=16:
 * minor with faultAround: 16, against the C handler that resolves page by page. All figures are those of a page of
 * 4 KiB, so that they compare.
 *
 * Each of `threads` threads touches pages of its own once: one after the other (pattern=seq), or scattered.
 *
 *   one         both sides on one CPU: what the code costs
 *   all         neither side is pinned, the mount has its defaults, the C handler sleeps in poll: the user's case
 *   colocate    the mount has placement 'colocate', the C side is on one CPU
 */
import { DIRTY_TRACKINGS } from '../../config.js'
import type { Bench } from '../bench.js'
import type { Setting } from '../sweep.js'
import { faultsChart } from './chart.js'
import { FAULT_OPS, type FaultOp } from './ops.js'

const ONE_CPU: Readonly<Record<FaultOp, number>> = {
  read: 1.05,
  'hole-read': 1.1,
  write: 1.1,
  mkwrite: 1.1,
  minor: 1.05,
}
const THREADS_LIMIT = 1.15
const ALL_LIMIT = 0.5
const COLOCATE_LIMIT = 1.1
const ASYNC_LIMIT = 0.15
const HUGE_LIMIT = 1.15
/** 0.9 µs a page where the C handler takes 7.4. */
const AROUND_LIMIT = 0.122
const AROUND = 16

function limitOf({ op, threads, cpus, tracking, size, around, pattern }: Setting): number | undefined {
  if (pattern === 'random') return undefined
  if (tracking === 'async') return ASYNC_LIMIT
  if (around !== 1) return around === AROUND && cpus === 'one' ? AROUND_LIMIT : undefined
  if (size === '2M') return cpus === 'one' ? HUGE_LIMIT : undefined
  if (cpus === 'all') return ALL_LIMIT
  if (cpus === 'colocate') return COLOCATE_LIMIT
  return threads === 1 ? ONE_CPU[op as FaultOp] : THREADS_LIMIT
}

function isPossible({ cpus, threads, op, tracking, size, around }: Setting): boolean {
  if (cpus === 'colocate' && (threads !== 1 || tracking === 'async')) return false
  if (tracking === 'async' && (op !== 'mkwrite' || around !== 1)) return false
  if (around !== 1 && op !== 'minor') return false
  return size === '4K' || (around === 1 && (op === 'read' || op === 'hole-read' || op === 'write'))
}

export const faultsBench: Bench = {
  name: 'faults',
  summary: 'page faults against a handler in C++',
  description:
    'Page faults against a handler in C++ that makes the same kernel calls: pinned to one CPU, as they come with the ' +
    'defaults, and with placement colocate.',
  parameters: [
    { name: 'cpus', help: 'where the threads run', default: 'one', words: ['one', 'all', 'colocate'] },
    { name: 'op', help: 'kind of fault', default: FAULT_OPS.join(','), words: FAULT_OPS },
    {
      name: 'tracking',
      help: 'how a first store is noticed: async only of mkwrite',
      default: 'sync',
      words: DIRTY_TRACKINGS,
    },
    { name: 'size', help: 'of what a fault maps: 2M of read, hole-read and write', default: '4K', words: ['4K', '2M'] },
    { name: 'around', help: 'pages that a fault maps: more than 1 only of minor', default: '1', max: 64 },
    { name: 'pattern', help: 'of the faults in the file', default: 'seq', words: ['seq', 'random'] },
    { name: 'threads', help: 'threads that fault', default: '1', max: 16 },
    {
      name: 'pages',
      help: 'measured pages, all threads together; twice as many if a fault maps several',
      default: '32768',
      min: 16,
      max: 1 << 20,
    },
    {
      name: 'warm',
      help: 'pages before the clock starts; twice as many if a fault maps several',
      default: '65536',
      min: 0,
      max: 1 << 18,
    },
    {
      name: 'timed',
      help: 'pages after those, whose faults are timed for the latencies',
      default: '8192',
      min: 0,
      max: 1 << 18,
    },
    {
      name: 'idle',
      help: 's to wait before CPU use of an idle mount is taken; 0: it is not',
      default: '0',
      min: 0,
      max: 60,
    },
    { name: 'side', help: 'who does it', default: 'faultline,c', words: ['faultline', 'c'] },
  ],
  figures: [
    { key: 'perPage', label: 'a page', unit: 'µs', digits: 2 },
    { key: 'perSecond', label: 'pages/s', unit: '', digits: 0 },
    { key: 'p50', label: 'p50', unit: 'µs', digits: 1, isTerse: true },
    { key: 'p99', label: 'p99', unit: 'µs', digits: 1, isTerse: true },
    { key: 'p999', label: 'p99.9', unit: 'µs', digits: 1, isTerse: true },
    { key: 'idlePercent', label: 'idle CPU', unit: '%', digits: 3 },
  ],
  compares: 'side',
  reference: { value: 'c', figure: 'perPage', limit: limitOf },
  chart: faultsChart,
  isPossible,
  isPinned: ({ cpus, side }) => cpus === 'one' || (cpus === 'colocate' && side === 'c'),
  async measure(setting, context) {
    const { measureFaults } = await import('./measure.js')
    return measureFaults(setting, context)
  },
}
