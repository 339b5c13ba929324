/**
 * Lines of a region as they were before somebody stored to them: put them back, and nothing has happened.
 *
 * A time limit may end whoever stores here between any two steps: a line is known only when it is saved.
 */
import { Page } from '../constants.js'

export class UndoLines {
  readonly #bytes: Uint8Array
  #saved = new Uint8Array(16 * Page.LineSize)
  #numbers: number[] = []
  readonly #known = new Set<number>()

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** Lines that were saved. */
  get count(): number {
    return this.#numbers.length
  }

  /** Before bytes change. */
  save(offset: number, length: number): void {
    const last = Math.floor((offset + length - 1) / Page.LineSize)
    for (let line = Math.floor(offset / Page.LineSize); line <= last; line++) {
      if (this.#known.has(line)) continue
      const at = (this.#numbers.length + 1) * Page.LineSize
      if (at > this.#saved.length) {
        const saved = new Uint8Array(this.#saved.length * 2)
        saved.set(this.#saved)
        this.#saved = saved
      }
      const start = line * Page.LineSize
      const end = Math.min(start + Page.LineSize, this.#bytes.length)
      for (let i = start; i < end; i++) this.#saved[at - Page.LineSize + i - start] = this.#bytes[i] as number
      this.#numbers.push(line)
      this.#known.add(line)
    }
  }

  /** Everything as it was when each line was saved first; forgets what was saved. */
  rewind(): void {
    if (this.#numbers.length === 0) return
    for (const [index, line] of this.#numbers.entries()) {
      const start = line * Page.LineSize
      const length = Math.min(Page.LineSize, this.#bytes.length - start)
      for (let i = 0; i < length; i++) this.#bytes[start + i] = this.#saved[index * Page.LineSize + i] as number
    }
    this.forget()
  }

  /** What is now is how it was. */
  forget(): void {
    this.#known.clear()
    this.#numbers = []
  }
}
