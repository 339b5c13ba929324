/** What one thread does in a round of the mixed workload. */
import type { Prng } from '../../prng.js'
import { expectSame } from '../mismatch.js'
import { Operation } from '../operations.js'
import type { Stage } from '../stage.js'
import { fence, filled } from '../target.js'
import type { MixedFile } from './mixed-file.js'
import { type Chunk, STRIPED, stripeOwner } from './mixed-layout.js'
import { changeTail, copyPrivately, copyRange, readInto } from './mixed-compound.js'

const PAGE = 4096
const LINES_PER_PAGE = 64
const WRITE_MAX = 2 * PAGE
/**
 * Loads or stores in a row, and the bytes they fall into: most of them meet a page that is mapped, as in real programs.
 */
const BURST = 16
const SPAN = 2048

/** A chunk with the file it is of. */
export interface Place {
  readonly file: MixedFile
  readonly index: number
  readonly chunk: Chunk
}

type Step = (actor: MixedActor) => void

/** Of a thousand steps. */
const STEPS: readonly (readonly [weight: number, step: Step])[] = [
  [250, (actor) => actor.store()],
  [170, (actor) => actor.load()],
  [160, (actor) => actor.loadForeign()],
  [140, (actor) => actor.storeStriped()],
  [110, (actor) => actor.loadStriped()],
  [30, (actor) => actor.read()],
  [30, (actor) => actor.write()],
  [20, (actor) => actor.flush()],
  [14, (actor) => actor.msync()],
  [3, (actor) => actor.fsync()],
  [34, (actor) => actor.advise()],
  [8, (actor) => actor.clear('punch')],
  [6, (actor) => actor.clear('zero')],
  [4, (actor) => actor.allocate()],
  [6, (actor) => actor.tail()],
  [4, (actor) => actor.copy()],
  [6, (actor) => actor.privately()],
  [4, (actor) => actor.readInto()],
  [1, (actor) => actor.remap()],
]

export class MixedActor {
  readonly own: readonly Place[]
  readonly #foreign: readonly Place[]
  readonly #striped: readonly Place[]
  #fill = 0

  constructor(
    readonly stage: Stage,
    readonly files: readonly MixedFile[],
    readonly prng: Prng,
  ) {
    const all = files.flatMap((file) => file.chunks.map((chunk, index): Place => ({ file, index, chunk })))
    this.own = all.filter(({ chunk }) => chunk.owner === stage.thread)
    this.#striped = all.filter(({ chunk }) => chunk.owner === STRIPED)
    this.#foreign = all.filter(({ chunk }) => chunk.owner !== STRIPED && chunk.owner !== stage.thread)
  }

  step(): void {
    let draw = this.prng.below(1000)
    for (const [weight, step] of STEPS) {
      if (draw < weight) {
        step(this)
        return
      }
      draw -= weight
    }
  }

  pick(places: readonly Place[]): Place | undefined {
    return places.length === 0 ? undefined : places[this.prng.below(places.length)]
  }

  /** Bytes of a chunk; in large ones mostly near its beginning, so that pages are met again. */
  within(chunk: Chunk, length: number): number {
    const bytes = chunk.pages * PAGE - length
    const near = this.prng.chance(0.5) ? Math.min(bytes, 4 * PAGE) : bytes
    return chunk.first * PAGE + this.prng.below(near + 1)
  }

  nextFill(): number {
    return (this.#fill += 17)
  }

  store(): void {
    const place = this.pick(this.own)
    if (place === undefined) return
    const { file, chunk, index } = place
    const { stage, prng } = this
    const start = this.within(chunk, SPAN)
    file.change(index, () => {
      for (let i = 0; i < BURST; i++) {
        const value = prng.next() | 0
        const at = start + prng.below(SPAN - 4)
        if (value % 4 === 0) {
          stage.op(Operation.Store, file.number, at, 1)
          file.map.bytes[at] = value
          file.shadow[at] = value
        } else {
          stage.op(Operation.Store, file.number, at, 4)
          file.map.ints[at >>> 2] = value
          file.shadowInts[at >>> 2] = value
        }
      }
    })
  }

  load(): void {
    const place = this.pick(this.own)
    if (place === undefined) return
    const start = this.within(place.chunk, SPAN)
    for (let i = 0; i < BURST; i++) place.file.loadOwn((start + this.prng.below(SPAN - 4)) >>> 2)
  }

  loadForeign(): void {
    const place = this.pick(this.#foreign)
    if (place === undefined) return
    const start = this.within(place.chunk, SPAN)
    for (let i = 0; i < BURST; i++) place.file.loadForeign(place.index, (start + this.prng.below(SPAN - 4)) >>> 2)
  }

  storeStriped(): void {
    const place = this.pick(this.#striped)
    if (place === undefined) return
    const { threads, thread } = this.stage
    const first = place.chunk.first * LINES_PER_PAGE
    const last = first + place.chunk.pages * LINES_PER_PAGE - 1
    let line = first + this.prng.below(last - first + 1)
    for (let i = 0; i < BURST; i++) {
      // The next line that is ours.
      while (stripeOwner(line, threads) !== thread) line++
      if (line > last) return
      place.file.storeStriped(line * 8 + this.prng.below(8))
      if (i % 4 === 3) line++
    }
  }

  loadStriped(): void {
    const place = this.pick(this.#striped)
    if (place === undefined) return
    const start = this.within(place.chunk, SPAN)
    for (let i = 0; i < BURST; i++) place.file.loadStriped((start + this.prng.below(SPAN - 8)) >>> 3)
  }

  read(): void {
    const place = this.pick(this.own)
    if (place === undefined) return
    const { file, chunk } = place
    const length = 1 + this.prng.below(Math.min(WRITE_MAX, chunk.pages * PAGE))
    const offset = this.within(chunk, length)
    const bytes = new Uint8Array(length)
    file.target.read(bytes, offset)
    expectSame(bytes, file.shadow.subarray(offset, offset + length), offset, () => `${file.name}, own read`)
  }

  write(): void {
    const place = this.pick(this.own)
    if (place === undefined) return
    const { file, chunk } = place
    const length = 1 + this.prng.below(Math.min(WRITE_MAX, chunk.pages * PAGE))
    const offset = this.within(chunk, length)
    const bytes = filled(length, this.nextFill())
    file.change(place.index, () => {
      file.target.write(bytes, offset)
      file.shadow.set(bytes, offset)
    })
  }

  /** Any bytes of any file. */
  flush(): void {
    const file = this.#anyFile()
    const length = 1 + this.prng.below(PAGE)
    const offset = this.prng.below(this.#reachable(file, length))
    file.map.flush(offset, length)
    fence(this.stage)
  }

  msync(): void {
    const file = this.#anyFile()
    const page = this.prng.below(file.pages)
    const pages = 1 + this.prng.below(Math.min(file.pages - page, this.prng.chance(0.8) ? 4 : file.pages))
    file.map.msync(page * PAGE, pages * PAGE)
  }

  fsync(): void {
    this.#anyFile().target.sync(this.prng.chance(0.5))
  }

  /** Drop what is mapped, of a whole file or of a place where threads meet, so that they meet in faults. */
  advise(): void {
    const met = this.prng.chance(0.6) ? this.pick(this.#striped) : undefined
    const file = met?.file ?? this.#anyFile()
    const page = met?.chunk.first ?? this.prng.below(file.pages)
    const pages = met?.chunk.pages ?? 1 + this.prng.below(file.pages - page)
    file.map.advise('dontneed', page * PAGE, pages * PAGE)
  }

  clear(mode: 'punch' | 'zero'): void {
    const place = this.pick(this.own)
    if (place === undefined) return
    const { file, chunk } = place
    const length = 1 + this.prng.below(Math.min(8 * PAGE, chunk.pages * PAGE))
    const offset = this.within(chunk, length)
    file.change(place.index, () => {
      file.target.fallocate(mode, offset, length, true)
      file.shadow.fill(0, offset, offset + length)
    })
  }

  allocate(): void {
    const place = this.pick(this.own)
    if (place === undefined) return
    const { file, chunk } = place
    const length = 1 + this.prng.below(chunk.pages * PAGE)
    file.target.fallocate('allocate', this.within(chunk, length), length, true)
  }

  tail(): void {
    const place = this.pick(this.own.filter(({ chunk }) => chunk.isTail))
    if (place !== undefined) changeTail(this, place)
  }

  copy(): void {
    const from = this.pick(this.own)
    const to = this.pick(this.own)
    if (from !== undefined && to !== undefined) copyRange(this, from, to)
  }

  privately(): void {
    const place = this.pick(this.own)
    if (place !== undefined) copyPrivately(this, place)
  }

  readInto(): void {
    const from = this.pick(this.own)
    const to = this.pick(this.own)
    if (from !== undefined && to !== undefined) readInto(this, from, to)
  }

  remap(): void {
    this.#anyFile().remap(this.prng.chance(0.3))
  }

  #anyFile(): MixedFile {
    return this.files[this.prng.below(this.files.length)] as MixedFile
  }

  /** A flush of pages that are past the end for a moment flushes nothing; the range stays inside the mapping. */
  #reachable(file: MixedFile, length: number): number {
    return file.pages * PAGE - length
  }
}
