/**
 * What a file must hold, when calls on it may fail: now, and after a power failure.
 *
 *   now     the bytes as every load and read must find them
 *   base    the bytes that were acknowledged to be durable
 *   states  for each line that is not as in base: what it has been since, oldest first. After a power failure the line
 *           is as in base or as in one of these, for any line may be evicted at any time (D9)
 *   sizes   sizes the file may have after a power failure
 *
 * A call that failed has changed nothing, all, or a part of what it should have: who calls looks, every byte must be
 * the one before or the one after, and what is found there is what must stay.
 */
import { Mismatch } from '../mismatch.js'

const LINE = 64

export class FileModel {
  readonly now: Uint8Array
  readonly #base: Uint8Array
  readonly #states = new Map<number, Uint8Array[]>()
  /** Lines that were flushed and not fenced: how many of their states the flush covers. */
  readonly #flushed = new Map<number, number>()
  #sizes: Set<number>
  size: number

  constructor(
    readonly name: string,
    readonly limit: number,
    size: number,
  ) {
    this.now = new Uint8Array(limit)
    this.#base = new Uint8Array(limit)
    this.size = size
    this.#sizes = new Set([size])
  }

  /** Return: the bytes after a call that would change them so. */
  after(change: (bytes: Uint8Array) => void): Uint8Array {
    const bytes = this.now.slice()
    change(bytes)
    return bytes
  }

  /** A call has succeeded. */
  become(bytes: Uint8Array, size = this.size): void {
    this.#push(bytes)
    this.now.set(bytes)
    this.size = size
    this.#sizes.add(size)
  }

  /** A call that would have made it `after`, of `sizeAfter`, has failed; `actual` is what is there. */
  adopt(actual: Uint8Array, size: number, after: Uint8Array, sizeAfter: number, what: string): void {
    if (size !== this.size && size !== sizeAfter) {
      throw new Mismatch(
        `${this.name}: ${what} failed, the size is ${size}; it was ${this.size}, asked for ${sizeAfter}`,
      )
    }
    for (let i = 0; i < size; i++) {
      if (actual[i] === this.now[i] || actual[i] === after[i]) continue
      throw new Mismatch(
        `${this.name}: ${what} failed and byte ${i} is ${this.#describe(actual, i)}, after: ${after[i]}`,
      )
    }
    this.#sizes.add(sizeAfter).add(this.size).add(size)
    // Either may have reached media; what it is now comes last.
    this.#push(after)
    this.now.set(after)
    this.#push(actual)
    this.now.fill(0).set(actual.subarray(0, size))
    this.size = size
  }

  expectNow(actual: Uint8Array, size: number, when: string): void {
    if (size !== this.size) throw new Mismatch(`${this.name} ${when}: ${size} bytes instead of ${this.size}`)
    if (Buffer.compare(actual.subarray(0, size), this.now.subarray(0, size)) === 0) return
    const at = actual.findIndex((byte, i) => byte !== this.now[i])
    throw new Mismatch(`${this.name} ${when}: byte ${at} is ${this.#describe(actual, at)}`)
  }

  /** Bytes [from, to) were acknowledged to be durable as they are now. */
  synced(from = 0, to = this.limit, whole = true): void {
    for (const line of [...this.#states.keys()]) {
      if (line * LINE < from || (line + 1) * LINE > to) continue
      this.#base.set(this.#lineOf(this.now, line), line * LINE)
      this.#states.delete(line)
      this.#flushed.delete(line)
    }
    if (whole) this.#sizes = new Set([this.size])
  }

  flushed(from: number, to: number): void {
    for (const [line, states] of this.#states) {
      if ((line + 1) * LINE > from && line * LINE < to) this.#flushed.set(line, states.length)
    }
  }

  fenced(): void {
    for (const [line, count] of this.#flushed) {
      const states = this.#states.get(line) ?? []
      const durable = states[count - 1]
      if (durable === undefined) continue
      this.#base.set(durable, line * LINE)
      states.splice(0, count)
      if (states.length === 0) this.#states.delete(line)
    }
    this.#flushed.clear()
  }

  /** A change of the layout takes flushed lines out of their way. */
  forgetFlushes(): void {
    this.#flushed.clear()
  }

  /** The power has failed: is all there that was promised? What is there is what must stay. */
  afterCrash(actual: Uint8Array, size: number, when: string): void {
    if (!this.#sizes.has(size)) {
      throw new Mismatch(`${this.name} ${when}: ${size} bytes; promised ${[...this.#sizes].join(' or ')}`)
    }
    for (let line = 0; line * LINE < size; line++) {
      const found = this.#lineOf(actual, line)
      const end = Math.min(LINE, size - line * LINE)
      const allowed = [this.#lineOf(this.#base, line), ...(this.#states.get(line) ?? [])]
      if (allowed.some((state) => Buffer.compare(state.subarray(0, end), found.subarray(0, end)) === 0)) continue
      const hex = (state: Uint8Array): string => Buffer.from(state).toString('hex')
      throw new Mismatch(
        `${this.name} ${when}: line ${line % 64} of page ${Math.floor(line / 64)} is\n  ${hex(found)}\n` +
          `and may be, oldest first,\n  ${allowed.map(hex).join('\n  ')}`,
      )
    }
    this.now.fill(0).set(actual.subarray(0, size))
    this.#base.set(this.now)
    this.#states.clear()
    this.#flushed.clear()
    this.size = size
    this.#sizes = new Set([size])
  }

  #push(bytes: Uint8Array): void {
    for (let page = 0; page < this.limit; page += 4096) {
      const end = Math.min(page + 4096, this.limit)
      if (Buffer.compare(bytes.subarray(page, end), this.now.subarray(page, end)) === 0) continue
      for (let line = page / LINE; line * LINE < end; line++) {
        const state = this.#lineOf(bytes, line)
        if (Buffer.compare(state, this.#lineOf(this.now, line)) === 0) continue
        const states = this.#states.get(line) ?? []
        if (states.length === 0) this.#states.set(line, states)
        states.push(state.slice())
      }
    }
  }

  #lineOf(bytes: Uint8Array, line: number): Uint8Array {
    return bytes.subarray(line * LINE, (line + 1) * LINE)
  }

  #describe(actual: Uint8Array, at: number): string {
    const [is, must] = [actual[at] ?? 'none', this.now[at] ?? 'none']
    return `${is} and must be ${must} (page ${Math.floor(at / 4096)} + ${at % 4096})`
  }
}
