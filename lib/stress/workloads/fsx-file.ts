/** The file of one fsx thread, with its model. */
import type { Prng } from '../../prng.js'
import { Mismatch, expectSame } from '../mismatch.js'
import { Operation } from '../operations.js'
import type { Stage } from '../stage.js'
import { type MappedTarget, Target, fence, filled } from '../target.js'

const PAGE = 4096
/** The file never grows past this; small, so that calls meet. */
const BYTES_MAX = 64 * PAGE
const LENGTH_MAX = 4 * PAGE

type Call = (prng: Prng) => void

export class FsxFile {
  readonly #stage: Stage
  readonly #name: string
  readonly #model: Uint8Array
  #size: number
  #target: Target
  #map: MappedTarget
  #fill = 0
  readonly #calls: readonly (readonly [weight: number, call: Call])[]

  /** before: the same file before a remount, whose model goes on. */
  constructor(stage: Stage, name: string, before?: FsxFile) {
    this.#stage = stage
    this.#name = name
    this.#model = before === undefined ? new Uint8Array(BYTES_MAX) : before.#model
    this.#size = before?.size ?? 0
    this.#target = this.#open()
    this.#map = this.#mmap()
    this.#calls = [
      [14, (prng) => this.#read(prng)],
      [14, (prng) => this.#write(prng)],
      [24, (prng) => this.#mapRead(prng)],
      [24, (prng) => this.#mapWrite(prng)],
      [4, (prng) => this.#truncate(prng)],
      [4, (prng) => this.#clear(prng, 'punch')],
      [4, (prng) => this.#clear(prng, 'zero')],
      [2, (prng) => this.#allocate(prng)],
      [2, (prng) => this.#collapse(prng)],
      [2, (prng) => this.#insert(prng)],
      [2, (prng) => this.#copy(prng)],
      [3, (prng) => this.#persist(prng)],
      [1, () => this.#reopen()],
    ]
  }

  get size(): number {
    return this.#size
  }

  get contents(): Uint8Array {
    return this.#model.subarray(0, this.#size)
  }

  step(prng: Prng): void {
    let draw = prng.below(100)
    for (const [weight, call] of this.#calls) {
      if (draw < weight) {
        call(prng)
        return
      }
      draw -= weight
    }
  }

  checkAll(when: string): void {
    const { size } = this.#target.file
    if (size !== this.#size) throw new Mismatch(`${this.#name} ${when}: ${size} bytes instead of ${this.#size}`)
    const bytes = new Uint8Array(size)
    this.#target.read(bytes, 0)
    expectSame(bytes, this.contents, 0, () => `${this.#name} ${when}, by read`)
    if (size === 0) return
    this.#stage.op(Operation.Load, this.#stage.thread, 0, size)
    expectSame(this.#map.bytes.subarray(0, size), this.contents, 0, () => `${this.#name} ${when}, mapped`)
  }

  close(): void {
    this.#map.unmap()
    this.#target.close()
  }

  #open(): Target {
    return new Target(this.#stage, this.#stage.thread, this.#name, { create: true, maxSize: BYTES_MAX })
  }

  #mmap(): MappedTarget {
    return this.#target.mmap({ length: BYTES_MAX })
  }

  #reopen(): void {
    this.close()
    this.#target = this.#open()
    this.#map = this.#mmap()
    this.checkAll('after an open')
  }

  /** A part of the file that is there, or undefined when it is empty. */
  #part(prng: Prng): [offset: number, length: number] | undefined {
    if (this.#size === 0) return undefined
    const offset = prng.below(this.#size)
    return [offset, 1 + prng.below(Math.min(LENGTH_MAX, this.#size - offset))]
  }

  /** A part that may lie past the end. */
  #anywhere(prng: Prng): [offset: number, length: number] {
    const offset = prng.below(BYTES_MAX - 1)
    return [offset, 1 + prng.below(Math.min(LENGTH_MAX, BYTES_MAX - offset))]
  }

  #grownTo(size: number): void {
    if (size > this.#size) this.#size = size
  }

  #shrunkTo(size: number): void {
    this.#model.fill(0, size)
    this.#size = size
  }

  #read(prng: Prng): void {
    const part = this.#part(prng)
    if (part === undefined) return
    const bytes = new Uint8Array(part[1])
    this.#target.read(bytes, part[0])
    this.#expect(bytes, part[0], 'by read')
  }

  #expect(bytes: Uint8Array, offset: number, how: string): void {
    expectSame(bytes, this.#model.subarray(offset, offset + bytes.length), offset, () => `${this.#name} ${how}`)
  }

  #write(prng: Prng): void {
    const [offset, length] = this.#anywhere(prng)
    const bytes = filled(length, (this.#fill += 13))
    this.#target.write(bytes, offset)
    this.#model.set(bytes, offset)
    this.#grownTo(offset + length)
  }

  #mapRead(prng: Prng): void {
    const part = this.#part(prng)
    if (part === undefined) return
    const [offset, length] = part
    this.#stage.op(Operation.Load, this.#stage.thread, offset, length)
    this.#expect(this.#map.bytes.subarray(offset, offset + length), offset, 'mapped')
  }

  /** As fsx does: past the end the file is extended first. */
  #mapWrite(prng: Prng): void {
    const [offset, length] = prng.chance(0.2) ? this.#anywhere(prng) : (this.#part(prng) ?? this.#anywhere(prng))
    if (offset + length > this.#size) {
      this.#target.truncate(offset + length)
      this.#grownTo(offset + length)
    }
    const bytes = filled(length, (this.#fill += 13))
    this.#stage.op(Operation.Store, this.#stage.thread, offset, length)
    this.#map.bytes.set(bytes, offset)
    this.#model.set(bytes, offset)
  }

  #truncate(prng: Prng): void {
    const size = prng.below(BYTES_MAX)
    this.#target.truncate(size)
    if (size < this.#size) this.#shrunkTo(size)
    else this.#size = size
  }

  #clear(prng: Prng, mode: 'punch' | 'zero'): void {
    const [offset, length] = this.#anywhere(prng)
    const keepSize = mode === 'punch' || prng.chance(0.5)
    this.#target.fallocate(mode, offset, length, keepSize)
    this.#model.fill(0, offset, Math.min(offset + length, this.#size))
    if (!keepSize) this.#grownTo(offset + length)
  }

  #allocate(prng: Prng): void {
    const [offset, length] = this.#anywhere(prng)
    const keepSize = prng.chance(0.5)
    this.#target.fallocate('allocate', offset, length, keepSize)
    if (!keepSize) this.#grownTo(offset + length)
  }

  #collapse(prng: Prng): void {
    const pages = Math.ceil(this.#size / PAGE) - 1
    if (pages < 1) return
    const first = prng.below(pages)
    const offset = first * PAGE
    const length = (1 + prng.below(Math.min(8, pages - first))) * PAGE
    if (offset + length >= this.#size) return
    this.#target.fallocate('collapse', offset, length)
    this.#model.copyWithin(offset, offset + length, this.#size)
    this.#shrunkTo(this.#size - length)
  }

  #insert(prng: Prng): void {
    const room = Math.floor((BYTES_MAX - this.#size) / PAGE)
    if (room < 1 || this.#size <= PAGE) return
    const offset = prng.below(Math.ceil(this.#size / PAGE)) * PAGE
    const length = (1 + prng.below(Math.min(8, room))) * PAGE
    this.#target.fallocate('insert', offset, length)
    this.#model.copyWithin(offset + length, offset, this.#size)
    this.#model.fill(0, offset, offset + length)
    this.#size += length
  }

  #copy(prng: Prng): void {
    const part = this.#part(prng)
    if (part === undefined) return
    const [from, length] = part
    const to = prng.below(BYTES_MAX - length)
    if (Math.abs(from - to) < length) return
    this.#target.copyTo(this.#target, from, to, length)
    this.#model.copyWithin(to, from, from + length)
    this.#grownTo(to + length)
  }

  #persist(prng: Prng): void {
    const pages = Math.ceil(this.#size / PAGE)
    switch (prng.below(4)) {
      case 0:
        this.#target.sync(prng.chance(0.5))
        break
      case 1:
        if (pages > 0) this.#map.msync(prng.below(pages) * PAGE, PAGE)
        break
      case 2:
        if (pages > 0) this.#map.flush(0, this.#size)
        fence(this.#stage)
        break
      default:
        this.#map.advise('dontneed', 0, BYTES_MAX)
    }
  }
}
