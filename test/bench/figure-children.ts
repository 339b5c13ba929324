/** Benchmarks of what is not one fault: msync against the size of a mapping, sparse files, kernel state. */
import { join } from 'node:path'
import { mount, type Pmem } from '../../lib/index.js'
import { Page } from '../../lib/constants.js'
import { Prng } from '../../lib/prng.js'
import { type ChildRequest, type FigureCase, type FigureRun } from './protocol.js'
import { median } from '../../lib/bench/statistics.js'
import { measureStores } from './store-figures.js'

const MIB = 1 << 20
const GIB = 1 << 30
const TIB = 2 ** 40
const PAGE_WORDS = Page.Size / 4
/** Pages of the large mapping that are in the tree, clean, when its msync is measured. */
const CLEAN_PAGES_MAX = 16384
/** Pages the msync benchmark dirties, one at a time. */
const HOT_PAGES = 256
const SPARSE_WINDOWS = 32
const WINDOW_BYTES = 64 * MIB

export function measureFigures(name: FigureCase, request: ChildRequest): FigureRun {
  const measures = {
    msync: measureMsync,
    sparse: measureSparse,
    state: measureState,
    stores: measureStores,
  }
  return measures[name](request)
}

/** msync of a whole mapping with one dirty page, small and large in turn. Microseconds. */
function measureMsync({ pool, syncs, pages, seed }: ChildRequest): FigureRun {
  using pmem = mount(join(pool, 'msync'))
  const random = new Prng(seed)
  const small = syncTarget(pmem, 'small.pm', MIB, MIB / Page.Size)
  const large = syncTarget(pmem, 'large.pm', GIB, Math.min(pages, CLEAN_PAGES_MAX))
  const taken = { small: [] as number[], large: [] as number[] }
  // The first round gives every page of either set its block on media, which costs what the host's file system costs.
  for (let page = 0; page < HOT_PAGES; page++) {
    small(page)
    large(page)
  }
  for (let turn = 0; turn < syncs; turn++) {
    taken.small.push(small(random.below(HOT_PAGES)))
    taken.large.push(large(random.below(HOT_PAGES)))
  }
  const smallMicroseconds = median(taken.small)
  const largeMicroseconds = median(taken.large)
  return { smallMicroseconds, largeMicroseconds, ratio: largeMicroseconds / smallMicroseconds }
}

/**
 * A new mapping with `touched` pages, evenly spread, in the tree and clean.
 * Return: dirties one of HOT_PAGES pages, spread as evenly, and syncs the whole mapping; microseconds of the sync.
 */
function syncTarget(pmem: Pmem, name: string, size: number, touched: number): (hot: number) => number {
  const mapping = pmem.open(name, { create: true, size }).mmap()
  const words = new Int32Array(mapping.buffer)
  const wordsApart = (pieces: number): number => Math.max(1, Math.floor(size / Page.Size / pieces)) * PAGE_WORDS
  let sum = 0
  for (let i = 0; i < touched; i++) sum += words[i * wordsApart(touched)] as number
  if (sum !== 0) throw new Error('a new file is not all zeroes')
  let value = 0
  return (hot) => {
    words[hot * wordsApart(HOT_PAGES)] = ++value
    const start = performance.now()
    mapping.msync()
    return (performance.now() - start) * 1000
  }
}

/** A file of 1 TiB with nothing in it: open it, map windows all over it, load and store in each. Milliseconds. */
function measureSparse({ pool, seed }: ChildRequest): FigureRun {
  using pmem = mount(join(pool, 'sparse'))
  const random = new Prng(seed)
  const start = performance.now()
  const file = pmem.open('sparse.pm', { create: true, size: TIB })
  const opened = performance.now()
  const last = TIB - WINDOW_BYTES
  for (let window = 0; window < SPARSE_WINDOWS; window++) {
    const offset = window === 0 ? 0 : window === 1 ? last : random.below(last / Page.Size) * Page.Size
    const view = new DataView(file.mmap({ offset, length: WINDOW_BYTES }).buffer)
    view.setUint32(WINDOW_BYTES - 4, view.getUint32(0) + window + 1)
    if (view.getUint32(WINDOW_BYTES - 4) !== window + 1) throw new Error('a store into a window is lost')
  }
  const mapped = performance.now()
  return { openMs: opened - start, windowsMs: mapped - opened, windows: SPARSE_WINDOWS, totalMs: mapped - start }
}

/** Load and store every page of a dense range: kernel state in use for each. Bytes. */
function measureState({ pool, pages }: ChildRequest): FigureRun {
  using pmem = mount(join(pool, 'state'))
  const before = pmem.stats().memory.stateBytes
  const mapping = pmem.open('dense.pm', { create: true, size: pages * Page.Size }).mmap()
  const words = new Int32Array(mapping.buffer)
  for (let page = 0; page < pages; page++) words[page * PAGE_WORDS] = (words[page * PAGE_WORDS] as number) + 1
  const bytesPerPage = (pmem.stats().memory.stateBytes - before) / pages
  pmem.crash()
  return { bytesPerPage, pages }
}
