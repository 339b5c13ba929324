/** One measurement of `npm run bench:figures`: sparse files, kernel state, traced stores. */
import { join } from 'node:path'
import { mount } from '../../lib/index.js'
import { Page } from '../../lib/constants.js'
import { Prng } from '../../lib/prng.js'
import type { FigureCase, FigureRequest, FigureRun } from './figures.js'
import { measureStores } from './store-figures.js'

const MIB = 1 << 20
const TIB = 2 ** 40
const PAGE_WORDS = Page.Size / 4
const SPARSE_WINDOWS = 32
const WINDOW_BYTES = 64 * MIB

export function measureFigures(name: FigureCase, request: FigureRequest): FigureRun {
  const measures = {
    sparse: measureSparse,
    state: measureState,
    stores: measureStores,
  }
  return measures[name](request)
}

/** A file of 1 TiB with nothing in it: open it, map windows all over it, load and store in each. Milliseconds. */
function measureSparse({ pool, seed }: FigureRequest): FigureRun {
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
function measureState({ pool, pages }: FigureRequest): FigureRun {
  using pmem = mount(join(pool, 'state'))
  const before = pmem.stats().memory.stateBytes
  const mapping = pmem.open('dense.pm', { create: true, size: pages * Page.Size }).mmap()
  const words = new Int32Array(mapping.buffer)
  for (let page = 0; page < pages; page++) words[page * PAGE_WORDS] = (words[page * PAGE_WORDS] as number) + 1
  const bytesPerPage = (pmem.stats().memory.stateBytes - before) / pages
  pmem.crash()
  return { bytesPerPage, pages }
}
