/**
 * What each line of a file may hold after the process was killed: the parent's model of a kill test.
 *
 * A line (64 bytes, 8 words) goes through versions. Of each the parent knows the content before the child makes it,
 * because the child logs its intention first. `acknowledged` is the newest version a completed sync or fence covered.
 * Media must then hold a version in acknowledged .. newest, or be caught between version n and n + 1 of that range:
 *
 *   'store'   8-byte stores in ascending order: a prefix of n + 1 over n (D9), never torn inside a word
 *   'bulk'    write(2), punch, truncate: any mixture of the bytes of both, since such stores are not ordered
 *
 * Anything else is a lost acknowledged byte or a byte that was never stored.
 */
import { Prng } from '../../lib/prng.js'

export const LINE_BYTES = 64
const LINE_WORDS = 8
const WORD_BYTES = LINE_BYTES / LINE_WORDS

type Kind = 'store' | 'bulk'

interface Version {
  readonly kind: Kind
  readonly bytes: Uint8Array
}

interface Line {
  /** Versions media may still have; the first one is acknowledged. */
  versions: Version[]
  /** How many of them, from the front, a fence would forget: set by a flush. */
  flushed: number
}

/** Content of a line in the version a child's operation `serial` makes of it. Never zero, and a word never repeats. */
export function lineContent(line: number, serial: number): Uint8Array {
  const prng = new Prng(line * 2 ** 24 + serial)
  const words = new Uint32Array(LINE_BYTES / 4)
  for (let i = 0; i < words.length; i++) words[i] = prng.next() | 1
  return new Uint8Array(words.buffer)
}

const ZEROES = new Uint8Array(LINE_BYTES)

export class FileHistory {
  readonly #lines = new Map<number, Line>()
  /** Sizes in bytes the file may have. */
  #sizes = new Set<number>([0])

  /** Media as a reboot found it is where the next round starts. */
  adopt(media: Uint8Array): void {
    this.#lines.clear()
    this.#sizes = new Set([media.length])
    for (let line = 0; line * LINE_BYTES < media.length; line++) {
      const bytes = media.slice(line * LINE_BYTES, (line + 1) * LINE_BYTES)
      this.#lines.set(line, { versions: [{ kind: 'bulk', bytes }], flushed: 0 })
    }
  }

  /** The child is about to give the line this content. */
  change(line: number, kind: Kind, bytes: Uint8Array = ZEROES): void {
    this.#at(line).versions.push({ kind, bytes })
  }

  /** The child is about to change the size. */
  resize(size: number): void {
    this.#sizes.add(size)
  }

  resized(size: number): void {
    this.#sizes = new Set([size])
  }

  /** A completed sync covered the line: its newest version is durable. */
  acknowledge(line: number): void {
    const state = this.#at(line)
    state.versions = state.versions.slice(-1)
    state.flushed = 0
  }

  flush(line: number): void {
    const state = this.#at(line)
    state.flushed = state.versions.length - 1
  }

  /** The fence of the thread that flushed the line: the version it was flushed in is durable, later ones are not. */
  fence(line: number): void {
    const state = this.#at(line)
    state.versions = state.versions.slice(state.flushed)
    state.flushed = 0
  }

  /** Return: what is wrong with media, as sentences; none when all is well. */
  check(media: Uint8Array): string[] {
    const problems: string[] = []
    if (!this.#sizes.has(media.length)) {
      problems.push(`the file has ${media.length} bytes; ${[...this.#sizes].join(' or ')} are possible`)
    }
    for (const [line, state] of this.#lines) {
      const bytes = new Uint8Array(LINE_BYTES)
      bytes.set(media.subarray(line * LINE_BYTES, (line + 1) * LINE_BYTES))
      if (!isPossible(state.versions, bytes)) problems.push(describe(line, state, bytes))
    }
    return problems
  }

  /** Return: lines with a version that is acknowledged and not a hole that was never written. */
  get acknowledgedLines(): number {
    let count = 0
    for (const { versions } of this.#lines.values()) if (versions[0]?.bytes.some((byte) => byte !== 0) === true) count++
    return count
  }

  #at(line: number): Line {
    const known = this.#lines.get(line)
    if (known !== undefined) return known
    const fresh: Line = { versions: [{ kind: 'bulk', bytes: ZEROES }], flushed: 0 }
    this.#lines.set(line, fresh)
    return fresh
  }
}

function isPossible(versions: readonly Version[], media: Uint8Array): boolean {
  return versions.some((version, i) => equal(version.bytes, media) || isBetween(version, versions[i + 1], media))
}

function isBetween(before: Version, after: Version | undefined, media: Uint8Array): boolean {
  if (after === undefined) return false
  if (after.kind === 'bulk') return media.every((byte, i) => byte === before.bytes[i] || byte === after.bytes[i])
  for (let words = 1; words < LINE_WORDS; words++) {
    const cut = words * WORD_BYTES
    const prefix = equal(media.subarray(0, cut), after.bytes.subarray(0, cut))
    if (prefix && equal(media.subarray(cut), before.bytes.subarray(cut))) return true
  }
  return false
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}

function describe(line: number, { versions }: Line, media: Uint8Array): string {
  const show = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
  const possible = versions.map(({ kind, bytes }) => `    ${kind} ${show(bytes)}`)
  return [`line ${line} is`, `         ${show(media)}`, '  acknowledged, then stored:', ...possible].join('\n')
}
