/** The TypeScript side of the fault benchmarks: one mount, one thread that faults, one fault worker. */
import { mount } from '../../lib/index.js'
import { Page } from '../../lib/constants.js'
import type { FaultName } from '../../lib/stats.js'
import {
  DATA_FILE,
  FAULT_AROUND,
  HOLE_FILE,
  type ChildRequest,
  type FaultCase,
  type FaultRun,
  isHugeCase,
  operationOf,
  pagesPerFault,
} from './protocol.js'

const PAGE_WORDS = Page.Size / 4
const STORES: readonly FaultCase[] = ['write', 'mkwrite', 'huge-write']
const ON_HOLES: readonly FaultCase[] = ['hole-read', 'write', 'huge-hole-read', 'huge-write']

/** What each case must turn out to be, or it measures something else. */
const FAULT_KIND: Readonly<Record<FaultCase, FaultName>> = {
  read: 'dataRead',
  'hole-read': 'holeRead',
  write: 'holeWrite',
  mkwrite: 'mkwrite',
  minor: 'minorRead',
  'huge-read': 'hugeDataRead',
  'huge-hole-read': 'hugeHoleRead',
  'huge-write': 'hugeHoleWrite',
  'minor-around': 'minorRead',
}

/**
 * Touch `warm` pages, then `pages` more under the clock, each once and in order, as c_handler does.
 * The mount is left open: what was stored must not reach media, and the exit of this child is a power failure.
 */
export function measureFaults(name: FaultCase, request: ChildRequest): FaultRun {
  const { warm, pages } = request
  const total = warm + pages
  const stores = STORES.includes(name)
  const pmem = mount(request.pool, {
    hugePages: isHugeCase(name),
    faultAround: name === 'minor-around' ? FAULT_AROUND : 1,
    faultWorkers: 1,
  })
  const file = pmem.open(ON_HOLES.includes(name) ? HOLE_FILE : DATA_FILE)
  const length = total * Page.Size
  if (operationOf(name) === 'minor') {
    // Into the cache through a mapping that goes again: its page table goes with it.
    const filler = file.mmap({ length })
    load(new Int32Array(filler.buffer), 0, total)
    filler.unmap()
  }
  const words = new Int32Array(file.mmap({ length }).buffer)
  if (name === 'mkwrite') load(words, 0, total)

  touch(words, 0, warm, stores)
  const start = performance.now()
  let hash = touch(words, warm, total, stores)
  const elapsed = performance.now() - start
  if (stores) hash = load(words, warm, total)

  const kind = FAULT_KIND[name]
  const { count } = pmem.stats().faults[kind]
  // The last batch is counted when its worker comes back for the next.
  const faults = Math.floor(total / pagesPerFault(name))
  if (count < faults - 1) throw new Error(`${count} of ${faults} faults of the case '${name}' were ${kind} faults`)
  return { op: name, pages, nsPerFault: (elapsed * 1e6) / pages, hash }
}

function touch(words: Int32Array, first: number, end: number, stores: boolean): number {
  if (!stores) return load(words, first, end)
  for (let page = first; page < end; page++) words[page * PAGE_WORDS] = page + 1
  return 0
}

function load(words: Int32Array, first: number, end: number): number {
  let hash = 0
  for (let page = first; page < end; page++) {
    hash = Math.imul(hash ^ (words[page * PAGE_WORDS] as number), 0x01000193)
  }
  return hash >>> 0
}
