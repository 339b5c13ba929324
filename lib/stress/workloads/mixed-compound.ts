/** Steps of the mixed workload that take several calls. Each stays inside chunks that the calling thread owns. */
import { Mismatch, expectSame } from '../mismatch.js'
import { Operation } from '../operations.js'
import type { MixedActor, Place } from './mixed-actor.js'

const PAGE = 4096
const COPY_MAX = 3 * PAGE
const PRIVATE_PAGES_MAX = 8

/** Truncate, collapse or insert in the last chunk, and bring the file back to its size. */
export function changeTail({ prng }: MixedActor, { file, index, chunk }: Place): void {
  const size = file.pages * PAGE
  const start = chunk.first * PAGE
  const kind = prng.below(3)
  const pages = 1 + prng.below(chunk.pages)
  const at = start + prng.below(chunk.pages - pages + 1) * PAGE
  file.change(index, () => {
    if (kind === 0 || at + pages * PAGE >= size) {
      const shorter = start + prng.below(chunk.pages * PAGE)
      file.target.truncate(shorter)
      file.shadow.fill(0, shorter)
    } else if (kind === 1) {
      file.target.fallocate('collapse', at, pages * PAGE)
      file.shadow.copyWithin(at, at + pages * PAGE)
      file.shadow.fill(0, size - pages * PAGE)
    } else {
      file.target.fallocate('insert', at, pages * PAGE)
      file.shadow.copyWithin(at + pages * PAGE, at)
      file.shadow.fill(0, at, at + pages * PAGE)
    }
    file.target.truncate(size)
  })
}

export function copyRange(actor: MixedActor, from: Place, to: Place): void {
  const room = Math.min(COPY_MAX, from.chunk.pages * PAGE, to.chunk.pages * PAGE)
  const length = 1 + actor.prng.below(room)
  const source = actor.within(from.chunk, length)
  const target = actor.within(to.chunk, length)
  if (from.file === to.file && Math.abs(source - target) < length) return
  to.file.change(to.index, () => {
    from.file.target.copyTo(to.file.target, source, target, length)
    to.file.shadow.set(from.file.shadow.subarray(source, source + length), target)
  })
}

/** read(2) straight into a mapping, of another file or of the same one: the copy faults in the middle of the call. */
export function readInto(actor: MixedActor, from: Place, to: Place): void {
  const room = Math.min(COPY_MAX, from.chunk.pages * PAGE, to.chunk.pages * PAGE)
  const length = 1 + actor.prng.below(room)
  const source = actor.within(from.chunk, length)
  const target = actor.within(to.chunk, length)
  if (from.file === to.file && Math.abs(source - target) < length) return
  to.file.change(to.index, () => {
    from.file.target.read(to.file.map.bytes.subarray(target, target + length), source)
    to.file.shadow.set(from.file.shadow.subarray(source, source + length), target)
  })
}

/** Stores to a private mapping: seen there, never in the file. */
export function copyPrivately(actor: MixedActor, { file, chunk }: Place): void {
  const { prng, stage } = actor
  const pages = Math.min(chunk.pages, PRIVATE_PAGES_MAX)
  const start = chunk.first * PAGE
  const map = file.target.mmap({ offset: start, length: pages * PAGE, sharing: 'private' })
  const copy = file.shadow.slice(start, start + pages * PAGE)
  for (let i = 0; i < 6; i++) {
    const at = prng.below(copy.length)
    if (prng.chance(0.6)) {
      stage.op(Operation.Store, file.number, start + at, 1)
      map.bytes[at] = copy[at] = 1 + prng.below(255)
    } else {
      stage.op(Operation.Load, file.number, start + at, 1)
      if (map.bytes[at] === copy[at]) continue
      throw new Mismatch(`${file.name}, private mapping: byte ${start + at} is not ${copy[at] ?? '?'}`)
    }
  }
  stage.op(Operation.Load, file.number, start, copy.length)
  expectSame(map.bytes, copy, start, () => `${file.name}, private mapping`)
  map.unmap()
}
