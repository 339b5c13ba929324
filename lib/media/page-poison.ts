/**
 * Poisoned pages: one bit a page, set while reading the page is a machine check.
 *
 *   size    1 bit a page; zeroed memory is a device without errors
 *   states  sound → poisoned (hardware, or a test) → sound (a repairing write, or a new allocation)
 *   locks   none: bits are changed and read atomically, from any thread
 */
import type { SharedWords } from '../sync/shared-words.js'
import { bitmapWords } from './bitmap.js'

export class PagePoison {
  readonly #words: SharedWords
  readonly #base: number

  static wordsFor(pages: number): number {
    return bitmapWords(pages)
  }

  constructor(words: SharedWords, base: number) {
    this.#words = words
    this.#base = base
  }

  set(page: number): void {
    this.#words.or(this.#base + (page >>> 5), 1 << (page & 31))
  }

  clear(page: number): void {
    this.#words.and(this.#base + (page >>> 5), ~(1 << (page & 31)))
  }

  has(page: number): boolean {
    return ((this.#words.load(this.#base + (page >>> 5)) >>> (page & 31)) & 1) !== 0
  }

  /** Is any of [first, end) poisoned? Words without any are skipped. */
  anyIn(first: number, end: number): boolean {
    let page = first
    while (page < end) {
      if (this.#words.load(this.#base + (page >>> 5)) === 0) page = page - (page & 31) + 32
      else if (this.has(page++)) return true
    }
    return false
  }

  /** Clear [first, end). Poison is rare: words without any are only read. */
  clearRange(first: number, end: number): void {
    let page = first
    while (page < end) {
      if (this.#words.load(this.#base + (page >>> 5)) === 0) page = page - (page & 31) + 32
      else this.clear(page++)
    }
  }
}
