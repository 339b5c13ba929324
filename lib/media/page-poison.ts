/**
 * Memory errors of the device: which pages are bad, and which 512-byte blocks of them.
 *
 *   bad      1 bit a page: there is an error somewhere in it. What an access looks at
 *   latent   1 bit a page: nobody has come across it yet. Errors of one page are found together
 *   told     1 bit a page: a sync has said that stores to it are lost. None can follow while it is bad, so another sync
 *            that meets it, because of its neighbours in a 2 MiB entry, says nothing
 *   blocks   1 byte a page, four to a word: its bad blocks of 512 bytes, lowest first
 *   size     zeroed memory is a device without errors
 *   states   sound → latent → bad (hardware, or a test; latent may be skipped) → sound (repair, or a new allocation)
 *   locks    none: everything is changed and read atomically, from any thread. `blocks` before `bad` when an error
 *            comes; when one goes `blocks` first too, and `bad` again if another has come meanwhile: at rest `bad` is
 *            set where there are blocks. Two repairs of one page exclude each other (i_rwsem of its file)
 */
import { Page } from '../constants.js'
import type { SharedWords } from '../sync/shared-words.js'
import { bitmapWords } from './bitmap.js'

/** Unit of errors, as of the kernel's badblocks (a sector). */
export const BAD_BLOCK_SIZE = 512
export const BAD_BLOCKS_PER_PAGE: number = Page.Size / BAD_BLOCK_SIZE
/** Every block of a page. */
export const WHOLE_PAGE = 0xff

/** A run of bad blocks of a file, in blocks of 512 bytes from its start. */
export interface BadRun {
  readonly first: number
  readonly count: number
  readonly latent: boolean
}

export class PagePoison {
  readonly #words: SharedWords
  readonly #bad: number
  readonly #latent: number
  readonly #told: number
  readonly #blocks: number

  static wordsFor(pages: number): number {
    return 3 * bitmapWords(pages) + Math.ceil(pages / 4)
  }

  constructor(words: SharedWords, base: number, pages: number) {
    this.#words = words
    this.#bad = base
    this.#latent = base + bitmapWords(pages)
    this.#told = base + 2 * bitmapWords(pages)
    this.#blocks = base + 3 * bitmapWords(pages)
  }

  /** Add errors. An error that is not latent makes all of the page's known. */
  set(page: number, blocks: number, latent: boolean): void {
    // Here, not when the page is repaired: a sync that found it bad may tell of it after that.
    if (!this.has(page)) this.#clearBit(this.#told, page)
    if (!latent) this.#clearBit(this.#latent, page)
    else if (!this.has(page)) this.#setBit(this.#latent, page)
    this.#words.or(this.#blocks + (page >>> 2), blocks << ((page & 3) * 8))
    this.#setBit(this.#bad, page)
  }

  /** Take errors away. Return: those that were there. */
  clear(page: number, blocks: number): number {
    const shift = (page & 3) * 8
    const before = this.#words.and(this.#blocks + (page >>> 2), ~(blocks << shift))
    if (this.blocksOf(page) === 0) {
      this.#clearBit(this.#bad, page)
      this.#clearBit(this.#latent, page)
      if (this.blocksOf(page) !== 0) this.#setBit(this.#bad, page)
    }
    return (before >>> shift) & blocks
  }

  has(page: number): boolean {
    return this.#testBit(this.#bad, page)
  }

  isLatent(page: number): boolean {
    return this.#testBit(this.#latent, page)
  }

  /** Someone came across the errors of a page. Return: true to the first who does. */
  reveal(page: number): boolean {
    return this.#clearBit(this.#latent, page)
  }

  /** A sync says that stores to the page are lost. */
  tell(page: number): void {
    this.#setBit(this.#told, page)
  }

  isTold(page: number): boolean {
    return this.#testBit(this.#told, page)
  }

  /** Bit i: block i of the page is bad. */
  blocksOf(page: number): number {
    return (this.#words.load(this.#blocks + (page >>> 2)) >>> ((page & 3) * 8)) & WHOLE_PAGE
  }

  /** Return: the first bad page of [first, end), or -1. Words without any are skipped. */
  next(first: number, end: number): number {
    for (let page = first; page < end;) {
      const rest = this.#words.load(this.#bad + (page >>> 5)) >>> (page & 31)
      if (rest === 0) page = page - (page & 31) + 32
      else {
        page += 31 - Math.clz32(rest & -rest)
        return page < end ? page : -1
      }
    }
    return -1
  }

  /** The pages [first, end) are sound. */
  clearRange(first: number, end: number): void {
    for (let page = this.next(first, end); page >= 0; page = this.next(page + 1, end)) this.clear(page, WHOLE_PAGE)
  }

  #testBit(base: number, page: number): boolean {
    return ((this.#words.load(base + (page >>> 5)) >>> (page & 31)) & 1) !== 0
  }

  #setBit(base: number, page: number): void {
    this.#words.or(base + (page >>> 5), 1 << (page & 31))
  }

  /** Return: whether it was set. */
  #clearBit(base: number, page: number): boolean {
    const before = this.#words.and(base + (page >>> 5), ~(1 << (page & 31)))
    return ((before >>> (page & 31)) & 1) !== 0
  }
}
