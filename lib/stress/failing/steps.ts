/** What the workload does to a file: each step is a call or two whose effect the model knows. */
import type { Prng } from '../../prng.js'
import { expectSame } from '../mismatch.js'
import type { FailingFile } from './failing-file.js'

const PAGE = 4096
const LENGTH_MAX = 3 * PAGE

type Step = (file: FailingFile, prng: Prng) => void

/** Bytes that are never zero and different from call to call. */
function filled(length: number, prng: Prng): Uint8Array {
  const start = prng.below(255)
  return Uint8Array.from({ length }, (_, i) => 1 + ((start + i * 7) % 255))
}

/** A part of the file that is there. */
function partOf(file: FailingFile, prng: Prng): [offset: number, length: number] {
  const { size } = file.model
  if (size === 0) return [0, 0]
  // Near the beginning, the middle or the end, so that pages are met again.
  const near = [0, size >> 1, Math.max(0, size - 4 * PAGE)][prng.below(3)] ?? 0
  const offset = Math.min(size - 1, near + prng.below(4 * PAGE))
  return [offset, 1 + prng.below(Math.min(LENGTH_MAX, size - offset))]
}

function store(file: FailingFile, prng: Prng): void {
  const [offset, length] = partOf(file, prng)
  const bytes = filled(length, prng)
  const after = file.model.after((all) => all.set(bytes, offset))
  file.attempt('store', () => file.map.tryWrite(offset, bytes), { after })
}

/** Through the MAP_SYNC mapping: the fault commits blocks first. */
function storeSync(file: FailingFile, prng: Prng): void {
  const [offset, length] = partOf(file, prng)
  const bytes = filled(length, prng)
  const after = file.model.after((all) => all.set(bytes, offset))
  file.attempt('MAP_SYNC store', () => file.syncMap.tryWrite(offset, bytes), { after })
}

function load(file: FailingFile, prng: Prng): void {
  const [offset, length] = partOf(file, prng)
  const bytes = new Uint8Array(length)
  if (!file.attempt('load', () => file.map.tryRead(offset, bytes))) return
  expectPart(file, bytes, offset, 'a load')
}

function read(file: FailingFile, prng: Prng): void {
  const [offset, length] = partOf(file, prng)
  const bytes = new Uint8Array(length)
  let done = 0
  file.attempt('read', () => (done = file.first.read(bytes, offset)), { length })
  expectPart(file, bytes.subarray(0, done), offset, 'a read')
}

function expectPart(file: FailingFile, bytes: Uint8Array, offset: number, how: string): void {
  const expected = file.model.now.subarray(offset, offset + bytes.length)
  expectSame(bytes, expected, offset, () => `${file.name}, ${how}`)
}

function write(file: FailingFile, prng: Prng): void {
  const offset = prng.chance(0.3) ? Math.min(file.model.size, file.limit - LENGTH_MAX) : partOf(file, prng)[0]
  const bytes = filled(1 + prng.below(Math.min(LENGTH_MAX, file.limit - offset)), prng)
  const { model } = file
  file.attempt('write', () => file.first.write(bytes, offset), {
    after: model.after((all) => all.set(bytes, offset)),
    sizeAfter: (done) => Math.max(model.size, done === 0 ? 0 : offset + done),
    length: bytes.length,
  })
}

function truncate(file: FailingFile, prng: Prng): void {
  const size = prng.chance(0.5) ? prng.below(file.limit) : Math.max(1, file.model.size - prng.below(3 * PAGE))
  const after = file.model.after((all) => all.fill(0, size))
  file.model.forgetFlushes()
  file.attempt('truncate', () => file.first.truncate(size), { after, sizeAfter: () => size })
}

function clear(mode: 'punch' | 'zero'): Step {
  return (file, prng) => {
    const [offset, length] = partOf(file, prng)
    if (length === 0) return
    const after = file.model.after((all) => all.fill(0, offset, offset + length))
    file.model.forgetFlushes()
    file.attempt(mode, () => file.first.fallocate({ mode, offset, length, keepSize: true }), { after })
  }
}

function allocate(file: FailingFile, prng: Prng): void {
  const [offset, length] = partOf(file, prng)
  if (length === 0) return
  file.attempt('allocate', () => file.first.fallocate({ offset, length, keepSize: true }))
}

function collapse(file: FailingFile, prng: Prng): void {
  const { size } = file.model
  const pages = Math.ceil(size / PAGE) - 1
  if (pages < 2) return
  const offset = prng.below(pages) * PAGE
  const length = (1 + prng.below(2)) * PAGE
  if (offset + length >= size) return
  const after = file.model.after((all) => {
    all.copyWithin(offset, offset + length, size)
    all.fill(0, size - length)
  })
  file.model.forgetFlushes()
  file.attempt('collapse', () => file.first.fallocate({ mode: 'collapse', offset, length }), {
    after,
    sizeAfter: () => size - length,
  })
}

function insert(file: FailingFile, prng: Prng): void {
  const { size } = file.model
  const length = (1 + prng.below(2)) * PAGE
  if (size + length > file.limit || size <= PAGE) return
  const offset = prng.below(Math.ceil(size / PAGE)) * PAGE
  const after = file.model.after((all) => {
    all.copyWithin(offset + length, offset, size)
    all.fill(0, offset, offset + length)
  })
  file.model.forgetFlushes()
  file.attempt('insert', () => file.first.fallocate({ mode: 'insert', offset, length }), {
    after,
    sizeAfter: () => size + length,
  })
}

function msync(file: FailingFile, prng: Prng): void {
  const [offset, length] = partOf(file, prng)
  const from = offset - (offset % PAGE)
  const to = Math.ceil((offset + length) / PAGE) * PAGE
  if (to > from && file.attempt('msync', () => file.map.msync(from, to - from))) file.model.synced(from, to, false)
}

function fsync(file: FailingFile): void {
  if (file.attempt('fsync', () => file.first.sync())) file.model.synced()
}

function flush(file: FailingFile, prng: Prng): void {
  const [offset, length] = partOf(file, prng)
  if (file.attempt('flush', () => file.map.flush(offset, length))) file.model.flushed(offset, offset + length)
  if (prng.chance(0.5)) fence(file)
}

/** Of this thread, for whatever it flushed: the workload flushes one file at a time. */
function fence(file: FailingFile): void {
  if (file.attempt('fence', () => file.pmem.fence())) file.model.fenced()
}

function deepSync(file: FailingFile, prng: Prng): void {
  const [offset, length] = partOf(file, prng)
  if (!file.attempt('deepSync', () => file.map.deepSync(offset, length))) return
  file.model.flushed(offset, offset + length)
  file.model.fenced()
}

function privately(file: FailingFile, prng: Prng): void {
  const [offset, length] = partOf(file, prng)
  if (length === 0) return
  using map = file.first.mmap({ length: file.limit, sharing: 'private' })
  const bytes = new Uint8Array(length)
  if (file.attempt('private load', () => map.tryRead(offset, bytes))) expectPart(file, bytes, offset, 'a private load')
  file.attempt('private store', () => map.tryWrite(offset, filled(length, prng)))
}

/** Drop page tables, or everything the cache has that is clean: a crash of nothing. */
function advise(file: FailingFile): void {
  file.attempt('madvise', () => file.map.madvise('dontneed'))
}

/** Of a hundred. */
const STEPS: readonly (readonly [weight: number, step: Step])[] = [
  [16, store],
  [4, storeSync],
  [10, load],
  [8, read],
  [13, write],
  [6, truncate],
  [6, clear('punch')],
  [5, clear('zero')],
  [3, allocate],
  [4, collapse],
  [4, insert],
  [5, msync],
  [4, fsync],
  [6, flush],
  [2, deepSync],
  [2, privately],
  [2, advise],
]

/** One step, drawn. */
export function step(file: FailingFile, prng: Prng): void {
  let draw = prng.below(100)
  for (const [weight, make] of STEPS) {
    if (draw < weight) {
      make(file, prng)
      return
    }
    draw -= weight
  }
}
