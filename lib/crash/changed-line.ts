/**
 * One line of 64 bytes that the program stored to, and what of it a power failure can leave.
 *
 * The model (D9; persist/pending-lines.ts says the same for the machine that runs):
 *
 *   atom        a store, cut at multiples of 8 bytes: what is never torn
 *   prefix      ordinary atoms of a line reach media in the order they were stored, so media has some first n of them
 *   certain     the atoms before the last flush that a fence of the same thread followed: n is at least that
 *   NT          a non-temporal atom is on its own: there or not, whatever else is, until its thread's next fence
 *   order       what is there was put there in the order of the program, so of two atoms for one byte the later wins
 *   eADR        caches are in the persistence domain: an ordinary atom is certain at once; NT atoms wait in buffers
 *               that are not, until the fence
 *
 * A content the line has ever been able to have is a *variant* and keeps its number for good; number 0 is the content
 * at the start. Its *choices* are the variants it can have now, each once, least survived first.
 */
import { assert } from '../assert.js'
import { LINE_WORDS, NAME_WORDS, hashLine } from './line-hash.js'

export interface Atom {
  /** Operation of the log. */
  readonly op: number
  /** First byte in the line, and how many; 1 to 8. */
  readonly at: number
  readonly length: number
  readonly nonTemporal: boolean
  /** Its bytes, as two words to AND out and two to OR in, for the line's words 2 * (at >> 3) and the next. */
  readonly clear: readonly [number, number]
  readonly put: readonly [number, number]
  /** A fence has made it durable. */
  certain: boolean
}

/** Of a line with more variants than this, a content is looked up by hash. */
const SCANNED_MAX = 16

/** How a choice comes about. */
export interface Choice {
  readonly variant: number
  /** Of the pending atoms, those that reached media. */
  readonly kept: readonly boolean[]
}

/** More distinct contents than this of one line at one moment are left out; the report says so. */
export const CHOICES_MAX = 4096

export class ChangedLine {
  /** Not certain yet, in program order; an NT atom that is certain stays while an ordinary one before it is not. */
  readonly pending: Atom[] = []
  /** Variant of the line when all pending atoms are lost. */
  floor = 0
  /** Variants it can have now, as of the last `settle`. */
  choices: Choice[] = []
  /** The variant the image has. */
  chosen = 0
  /** Number of the moment at which a variant was last a choice, by variant. */
  readonly seenAt: number[] = [0]
  /** Some choices were left out. */
  truncated = false
  /** Is in the list of lines with pending atoms. */
  isPending = false
  #stale = true
  /** Threads that flushed it, and how many of the pending atoms that covers. */
  readonly #flushed = new Map<number, number>()
  #contents = new Int32Array(4 * LINE_WORDS)
  #names = new Int32Array(4 * NAME_WORDS)
  #variants = 1
  /** Variants by a hash of their content, as far as they were numbered: a line with few is scanned. */
  readonly #byHash = new Map<number, number[]>()
  #numbered = 0

  /** start: the content when recording began. number: of the line in its file. */
  constructor(
    readonly index: number,
    readonly file: number,
    readonly number: number,
    start: Int32Array,
  ) {
    this.#contents.set(start)
    // The content at the start has the name 0: a line that is as it was contributes nothing.
    hashLine(file, number, this.#contents, 0, this.#names, 0)
    this.#startName = this.#names.slice(0, NAME_WORDS)
    this.#names.fill(0, 0, NAME_WORDS)
  }

  readonly #startName: Int32Array

  /** First byte of the line in the file. */
  get offset(): number {
    return this.number * LINE_WORDS * 4
  }

  /** Words of a variant: an array of many, and where it begins in it. */
  get contents(): Int32Array {
    return this.#contents
  }

  get names(): Int32Array {
    return this.#names
  }

  add(atom: Atom): void {
    this.pending.push(atom)
    this.#stale = true
  }

  /** clwb by a thread: the atoms so far, once it fences. Return: false when there is nothing it could cover. */
  flush(thread: number): boolean {
    if (this.pending.length === 0) return false
    this.#flushed.set(thread, this.pending.length)
    return true
  }

  /** Will this thread's fence make an atom certain? */
  fenceMatters(thread: number): boolean {
    const covered = this.#flushed.get(thread) ?? 0
    return this.pending.some((atom, i) => !atom.certain && i < covered && !atom.nonTemporal)
  }

  /** sfence by a thread that flushed the line. */
  fence(thread: number): void {
    const covered = this.#flushed.get(thread) ?? 0
    this.#flushed.delete(thread)
    this.makeCertain((atom, i) => i < covered && !atom.nonTemporal)
  }

  /** Atoms for which `isCertain` holds are durable; those at the front become part of the floor. */
  makeCertain(isCertain: (atom: Atom, index: number) => boolean): void {
    this.#stale = true
    this.pending.forEach((atom, i) => (atom.certain ||= isCertain(atom, i)))
    let done = 0
    while (done < this.pending.length && (this.pending[done] as Atom).certain) done++
    if (done === 0) return
    const words = this.#wordsOf(this.floor)
    for (const atom of this.pending.splice(0, done)) apply(words, atom)
    this.floor = this.#variantOf(words)
    for (const [thread, covered] of this.#flushed) {
      if (covered > done) this.#flushed.set(thread, covered - done)
      else this.#flushed.delete(thread)
    }
  }

  /** Bring `choices` up to date. */
  settle(): void {
    if (!this.#stale) return
    this.#stale = false
    if (!this.pending.some((atom) => atom.nonTemporal)) {
      this.choices = this.#prefixes()
      return
    }
    const found = new Map<number, Choice>()
    const ordinary = this.pending.filter((atom) => !atom.nonTemporal).length
    const certain = this.pending.filter((atom) => !atom.nonTemporal && atom.certain).length
    for (let prefix = certain; prefix <= ordinary; prefix++) this.#branch(prefix, found)
    // A content that comes about in several ways is the one that has most atoms: of the rest nothing is missing.
    this.choices = [...found.values()]
  }

  /** The choices of a line without NT atoms, of which it may have very many: one step for each. */
  #prefixes(): Choice[] {
    const { pending } = this
    const words = this.#wordsOf(this.floor)
    const longest = new Map<number, number>()
    let prefix = 0
    while (prefix < pending.length && (pending[prefix] as Atom).certain) apply(words, pending[prefix++] as Atom)
    for (; ; prefix++) {
      const isFull = longest.size === CHOICES_MAX
      const variant = isFull ? this.#knownVariant(words) : this.#variantOf(words)
      if (!isFull || longest.has(variant)) longest.set(variant, prefix)
      else this.truncated = true
      if (prefix === pending.length) break
      apply(words, pending[prefix] as Atom)
    }
    return [...longest].map(([variant, length]) => new PrefixChoice(variant, length, pending.length))
  }

  /** The choice that has exactly the atoms up to and including operation `op`; the floor for a line without choices. */
  choiceUpTo(op: number): number {
    let best = 0
    for (const [i, { kept }] of this.choices.entries()) {
      if (this.pending.every((atom, k) => atom.certain || (kept[k] as boolean) === atom.op <= op)) best = i
    }
    return best
  }

  /** Contents with the first `prefix` ordinary atoms and any of the NT atoms that are not certain. */
  #branch(prefix: number, found: Map<number, Choice>): void {
    let states: { words: Int32Array; kept: boolean[] }[] = [{ words: this.#wordsOf(this.floor), kept: [] }]
    let ordinary = 0
    for (const atom of this.pending) {
      const isFree = atom.nonTemporal && !atom.certain
      const isKept = atom.nonTemporal ? atom.certain : ordinary++ < prefix
      const next: typeof states = []
      for (const state of states) {
        if (isFree && states.length + next.length < CHOICES_MAX) {
          next.push({ words: state.words.slice(), kept: [...state.kept, false] })
        } else if (isFree) this.truncated = true
        if (isFree || isKept) apply(state.words, atom)
        state.kept.push(isFree || isKept)
        next.push(state)
      }
      states = next
    }
    for (const { words, kept } of states) {
      const variant = this.#variantOf(words)
      if (found.size < CHOICES_MAX || found.has(variant)) found.set(variant, { variant, kept })
      else this.truncated = true
    }
  }

  #wordsOf(variant: number): Int32Array {
    return this.#contents.slice(variant * LINE_WORDS, (variant + 1) * LINE_WORDS)
  }

  /** Return: the number of this content, a new one when it was never seen. */
  #variantOf(words: Int32Array): number {
    const known = this.#knownVariant(words)
    return known >= 0 ? known : this.#addVariant(words)
  }

  /** Return: the number of this content, -1 when it was never seen. */
  #knownVariant(words: Int32Array): number {
    if (this.#variants <= SCANNED_MAX) {
      for (let variant = this.#variants - 1; variant >= 0; variant--) if (this.#is(variant, words)) return variant
      return -1
    }
    while (this.#numbered < this.#variants) this.#number(this.#numbered++)
    for (const variant of this.#byHash.get(hashOf(words, 0)) ?? []) if (this.#is(variant, words)) return variant
    return -1
  }

  #is(variant: number, words: Int32Array): boolean {
    const at = variant * LINE_WORDS
    let i = 0
    while (i < LINE_WORDS && this.#contents[at + i] === words[i]) i++
    return i === LINE_WORDS
  }

  #number(variant: number): void {
    const hash = hashOf(this.#contents, variant * LINE_WORDS)
    const same = this.#byHash.get(hash)
    if (same === undefined) this.#byHash.set(hash, [variant])
    else same.push(variant)
  }

  #addVariant(words: Int32Array): number {
    const variant = this.#variants++
    if (variant * LINE_WORDS === this.#contents.length) {
      this.#contents = double(this.#contents)
      this.#names = double(this.#names)
    }
    this.#contents.set(words, variant * LINE_WORDS)
    const at = variant * NAME_WORDS
    hashLine(this.file, this.number, this.#contents, variant * LINE_WORDS, this.#names, at)
    for (let i = 0; i < NAME_WORDS; i++) {
      this.#names[at + i] = (this.#names[at + i] as number) ^ (this.#startName[i] as number)
    }
    this.seenAt.push(0)
    assert(this.seenAt.length === this.#variants, 'a variant has a moment', { variant })
    return variant
  }
}

/** A choice that has the first atoms and no others. What it has is worked out when somebody asks. */
class PrefixChoice implements Choice {
  constructor(
    readonly variant: number,
    private readonly length: number,
    private readonly pending: number,
  ) {}

  get kept(): boolean[] {
    return Array.from({ length: this.pending }, (_, i) => i < this.length)
  }
}

function hashOf(words: Int32Array, from: number): number {
  let hash = 0
  for (let i = from; i < from + LINE_WORDS; i++)
    hash = Math.imul(hash ^ (words[i] as number), 0x5bd1e995) ^ (hash >>> 15)
  return hash
}

function double(from: Int32Array): Int32Array<ArrayBuffer> {
  const to = new Int32Array(from.length * 2)
  to.set(from)
  return to
}

function apply(words: Int32Array, { at, clear, put }: Atom): void {
  const word = (at >>> 3) * 2
  words[word] = ((words[word] as number) & clear[0]) | put[0]
  words[word + 1] = ((words[word + 1] as number) & clear[1]) | put[1]
}

/** Return: the atoms of a store of `length` bytes at byte `at` of a line, in ascending order. */
export function atomsOf(
  op: number,
  at: number,
  length: number,
  byte: (index: number) => number,
  nonTemporal: boolean,
): Atom[] {
  const atoms: Atom[] = []
  for (let from = 0; from < length;) {
    const first = at + from
    const bytes = Math.min(8 - (first % 8), length - from)
    const clear: [number, number] = [-1, -1]
    const put: [number, number] = [0, 0]
    for (let i = 0; i < bytes; i++) {
      const position = (first + i) % 8
      const half = position < 4 ? 0 : 1
      const shift = (position % 4) * 8
      clear[half] &= ~(0xff << shift)
      put[half] |= byte(from + i) << shift
    }
    atoms.push({ op, at: first, length: bytes, nonTemporal, clear, put, certain: false })
    from += bytes
  }
  return atoms
}
