/**
 * A file of the mixed workload as one thread has it: open, mapped, and with the memory all threads share about it.
 *
 *   shadow    the bytes the file should have
 *   intent    striped words: the value that is being stored, set before the store (0: none in this round)
 *   changes   a number for each chunk: odd while its owner changes bytes, advanced at begin and end (a seqlock)
 *
 * Why no check is false. x86 stores become visible in order, and loads are made in order. An owner advances `changes`
 * with an atomic before and after it changes file and shadow; who sees the same even number before and after it has
 * looked at both has seen a moment when they agreed. For a striped word, its owner stores intent, then the file,
 * then the shadow; who loads shadow, file, intent in this order has a lower and an upper bound for what the file may
 * have been.
 */
import { Mismatch, expectSame, place } from '../mismatch.js'
import { Operation } from '../operations.js'
import { SharedCount } from '../shared-count.js'
import type { Stage } from '../stage.js'
import { type MappedTarget, Target } from '../target.js'
import { CHUNKS_MAX, type Chunk, STRIPED } from './mixed-layout.js'

const PAGE = 4096
/** Stores of a word in a session, at most: the low bits of its value. */
const SEQUENCES = 2 ** 28
const WORDS_MAX = 2 ** 20

export interface MixedMemory {
  readonly shadow: SharedArrayBuffer
  readonly intent: SharedArrayBuffer
  readonly changes: SharedArrayBuffer
}

export class MixedFile {
  readonly target: Target
  readonly shadow: Uint8Array
  readonly shadowInts: Int32Array
  readonly shadowDoubles: Float64Array
  map: MappedTarget
  chunks: readonly Chunk[] = []
  readonly #intent: Float64Array
  readonly #changes: SharedCount
  readonly #few = new Int32Array(1)

  static makeMemory(pages: number): MixedMemory {
    const bytes = pages * PAGE
    return {
      shadow: new SharedArrayBuffer(bytes),
      intent: new SharedArrayBuffer(bytes),
      changes: SharedCount.make(CHUNKS_MAX),
    }
  }

  constructor(
    readonly stage: Stage,
    readonly number: number,
    readonly name: string,
    readonly pages: number,
    memory: MixedMemory,
  ) {
    this.target = new Target(stage, number, name)
    this.shadow = new Uint8Array(memory.shadow)
    this.shadowInts = new Int32Array(memory.shadow)
    this.shadowDoubles = new Float64Array(memory.shadow)
    this.#intent = new Float64Array(memory.intent)
    this.#changes = new SharedCount(memory.changes)
    this.map = this.target.mmap({ length: pages * PAGE })
  }

  /** All threads, between two barriers. */
  begin(chunks: readonly Chunk[]): void {
    this.chunks = chunks
    if (!this.stage.isLeader) return
    for (const { first, pages, owner } of chunks) {
      if (owner === STRIPED) this.#intent.fill(0, (first * PAGE) / 8, ((first + pages) * PAGE) / 8)
    }
  }

  /** Map it anew, now and then in another way. */
  remap(sync: boolean): void {
    this.map.unmap()
    this.map = this.target.mmap({ length: this.pages * PAGE, sync })
  }

  close(): void {
    this.map.unmap()
    this.target.close()
  }

  /** Change bytes of a chunk the calling thread owns: those of the file and those of the shadow. */
  change(chunk: number, work: () => void): void {
    this.#changes.add(1, chunk)
    work()
    this.#changes.add(1, chunk)
  }

  /** Load four bytes from the caller's own chunk. */
  loadOwn(index: number): void {
    this.stage.op(Operation.Load, this.number, index * 4, 4)
    const value = this.map.ints[index] as number
    if (value !== this.shadowInts[index]) this.#fail(index * 4, value, this.shadowInts[index] as number, 'own load')
  }

  /** Load four bytes from a chunk that another thread owns and may be changing. */
  loadForeign(chunk: number, index: number): void {
    this.stage.op(Operation.Load, this.number, index * 4, 4)
    const before = this.#changes.load(chunk)
    const value = this.chunks[chunk]?.isTail === true ? this.#tryLoad(chunk, before, index) : this.map.ints[index]
    const expected = this.shadowInts[index] as number
    if ((before & 1) === 1 || this.#changes.load(chunk) !== before || value === undefined) return
    if (value !== expected) this.#fail(index * 4, value, expected, `load from the chunk of another thread`)
  }

  /** A load that may be past the end for a moment. Return: undefined when it was, rightly. */
  #tryLoad(chunk: number, before: number, index: number): number | undefined {
    try {
      this.map.mapping.tryRead(index * 4, this.#few)
      return this.#few[0]
    } catch (error) {
      if ((before & 1) === 1 || this.#changes.load(chunk) !== before) return undefined
      throw error
    }
  }

  /** Store to a word of a striped line the calling thread owns. */
  storeStriped(word: number): void {
    const tag = this.#tagOf(word)
    const before = this.shadowDoubles[word] as number
    const value = before > tag && before < tag + SEQUENCES ? before + 1 : tag + 1
    this.stage.op(Operation.Store, this.number, word * 8, 8)
    this.#intent[word] = value
    this.map.doubles[word] = value
    this.shadowDoubles[word] = value
  }

  /** Load any word of a striped chunk. */
  loadStriped(word: number): void {
    this.stage.op(Operation.Load, this.number, word * 8, 8)
    const least = this.shadowDoubles[word] as number
    const value = this.map.doubles[word] as number
    const most = this.#intent[word] as number
    if (Object.is(value, least)) return
    const tag = this.#tagOf(word)
    const isStored = value > tag && value <= most
    const isNew = !(least > tag && least < tag + SEQUENCES) || value >= least
    if (isStored && isNew) return
    const bounds = most === 0 ? `must be ${least}` : `must be from ${least} to ${most}`
    throw new Mismatch(`${this.name}, the word at ${place(word * 8)} is ${value} and ${bounds}`)
  }

  /** Context: nobody changes the file. */
  compareAll(when: string, mapped: boolean): void {
    const bytes = new Uint8Array(this.shadow.length)
    const { size } = this.target.file
    if (size !== bytes.length) throw new Mismatch(`${this.name} ${when}: ${size} bytes instead of ${bytes.length}`)
    this.target.read(bytes, 0)
    expectSame(bytes, this.shadow, 0, () => `${this.name} ${when}, by read`)
    if (!mapped) return
    this.stage.op(Operation.Load, this.number, 0, bytes.length)
    expectSame(this.map.bytes, this.shadow, 0, () => `${this.name} ${when}, mapped`)
  }

  #tagOf(word: number): number {
    return (1 + (this.number % 15)) * WORDS_MAX * SEQUENCES + word * SEQUENCES
  }

  #fail(offset: number, actual: number, expected: number, how: string): never {
    const hex = (value: number): string => (value >>> 0).toString(16).padStart(8, '0')
    throw new Mismatch(
      `${this.name}, ${how}: the 4 bytes at ${place(offset)} are ${hex(actual)} and must be ${hex(expected)}`,
    )
  }
}
