/**
 * The Media port over plain shared memory: cache and media of a few small files, shared by all threads that attach.
 *
 *   bytes   for each file and page: 4096 of cache, 4096 of media
 *   words   for each file and page: in the cache or not, committed or not, and a count of writes to its cache bytes and
 *           to its media bytes. They are steps: see step-words.ts
 *
 * Stricter than the host: looking at a page that is not in the cache throws, where the real one would put a page of
 * zeroes there; and a page is filled in two steps, so that two threads that fill it at once spoil it.
 */
import type { PageRuns } from '../../lib/mm/page-runs.js'
import { Page } from '../../lib/constants.js'
import { type Errno, ErrorNumber } from '../../lib/errors.js'
import type { BlockRun } from '../../lib/media/block-map.js'
import type { Media } from '../../lib/media/media.js'
import type { BadRun } from '../../lib/media/page-poison.js'
import type { SharedWords } from '../../lib/sync/shared-words.js'
import type { PortTrace } from './port-trace.js'
import { asOneStep, readStep, writeStep } from './step-words.js'

const LINES_IN_WORD = 32
const WORDS_A_PAGE = 4

export class MemoryMedia implements Media {
  /** Lines that writeback moved, and snapshots that reached media: what a real device would be charged for. */
  linesWritten = 0
  linesCommitted = 0
  /** While not 0, calls that write media return it. */
  failure: Errno = 0
  /**
   * The page tables of the machine: which entries show a page of the cache, for when it leaves it. copies: private
   * copies too. Set by whoever builds the machine; without one nothing is unmapped.
   */
  entriesOf: (inode: number, pgoff: number, copies: boolean) => number[] = () => []
  readonly #cache: Uint8Array
  readonly #media: Uint8Array
  readonly #all: number
  readonly #mask = [0, 0]

  static bytesFor(files: number, pages: number): number {
    return files * pages * 2 * Page.Size
  }

  static wordsFor(files: number, pages: number): number {
    return files * pages * WORDS_A_PAGE
  }

  constructor(
    buffer: SharedArrayBuffer,
    base: number,
    files: number,
    readonly pages: number,
    private readonly words: SharedWords,
    private readonly cells: number,
    private readonly trace: PortTrace,
  ) {
    this.#all = files * pages
    this.#cache = new Uint8Array(buffer, base, this.#all * Page.Size)
    this.#media = new Uint8Array(buffer, base + this.#all * Page.Size, this.#all * Page.Size)
  }

  writeback(inode: number, offset: number, length: number, size: number): Errno {
    this.trace.note(`writeback ${inode}:${offset}+${length}`)
    if (this.failure < 0) return this.failure
    const end = Math.min(offset + length, size)
    for (let at = offset; at < end; at = (Math.floor(at / Page.Size) + 1) * Page.Size) {
      const page = Math.floor(at / Page.Size)
      // Of a longer range, pages that are not in the cache are passed over.
      if (length > Page.Size && !this.isCached(inode, at, 1)) continue
      readStep(this.words, this.cacheCell(inode, page))
      this.#writePage(inode, at, Math.min(end, (page + 1) * Page.Size))
    }
    return 0
  }

  writebackRuns(inode: number, runs: PageRuns, size: number): Errno {
    for (let run = 0; run < runs.count; run++) {
      const error = this.writeback(inode, runs.first(run) * Page.Size, runs.length(run) * Page.Size, size)
      if (error < 0) return error
    }
    return 0
  }

  #writePage(inode: number, from: number, end: number): void {
    const cell = this.mediaCell(inode, Math.floor(from / Page.Size))
    for (let at = from; at < end; at += Page.LineSize) {
      const line = this.cacheBytes(inode, at, Math.min(Page.LineSize, end - at))
      const there = this.mediaBytes(inode, at, line.length)
      if (line.every((byte, i) => byte === there[i])) continue
      writeStep(this.words, cell)
      there.set(line)
      this.linesWritten++
    }
  }

  beginRead(): Errno {
    return 0
  }

  isCached(inode: number, offset: number, length: number): boolean {
    for (let page = Math.floor(offset / Page.Size); page * Page.Size < offset + length; page++) {
      if (this.words.load(this.residentCell(inode, page)) === 0) return false
    }
    return true
  }

  fillPage(inode: number, pgoff: number, fromMedia: boolean): Errno {
    if (this.isCached(inode, pgoff * Page.Size, Page.Size)) return 0
    this.trace.note(`fill ${inode}:${pgoff} ${fromMedia ? 'media' : 'zero'}`)
    const page = this.#cache.subarray(this.#pageAt(inode, pgoff) * Page.Size).subarray(0, Page.Size)
    if (fromMedia) readStep(this.words, this.mediaCell(inode, pgoff))
    writeStep(this.words, this.cacheCell(inode, pgoff))
    if (fromMedia) page.set(this.mediaBytes(inode, pgoff * Page.Size, Page.Size))
    else page.fill(0)
    this.words.store(this.residentCell(inode, pgoff), 1)
    return 0
  }

  fillPages(inode: number, pgoff: number, count: number): Errno {
    let filled = 0
    for (let page = pgoff; page < pgoff + count; page++) {
      if (this.isCached(inode, page * Page.Size, Page.Size)) continue
      this.fillPage(inode, page, true)
      filled++
    }
    return filled
  }

  zeroCache(inode: number, offset: number, length: number): Errno {
    this.trace.note(`zero-cache ${inode}:${offset}+${length}`)
    if (length === 0 || !this.isCached(inode, offset, length)) return 0
    for (let page = Math.floor(offset / Page.Size); page * Page.Size < offset + length; page++) {
      writeStep(this.words, this.cacheCell(inode, page))
    }
    this.cacheBytes(inode, offset, length).fill(0)
    return 0
  }

  zeroMedia(inode: number, offset: number, length: number): Errno {
    this.trace.note(`zero-media ${inode}:${offset}+${length}`)
    this.#zeroMedia(inode, offset, length)
    return this.failure
  }

  dropCache(inode: number, offset: number, length: number): Errno {
    this.trace.note(`drop-cache ${inode}:${offset}+${length}`)
    this.#drop(inode, Math.floor(offset / Page.Size), Math.ceil((offset + length) / Page.Size), false)
    return 0
  }

  punchMedia(inode: number, offset: number, length: number): Errno {
    this.trace.note(`punch-media ${inode}:${offset}+${length}`)
    this.#zeroMedia(inode, offset, length)
    return this.failure
  }

  moveMedia(inode: number, from: number, to: number, length: number): Errno {
    const bytes = this.mediaBytes(inode, from, length).slice()
    this.#markMedia(inode, to, length)
    this.mediaBytes(inode, to, length).set(bytes)
    if (to > from) this.#zeroMedia(inode, from, to - from)
    return 0
  }

  /** The list replaces what was committed, page by page, as a journal that is written does not wait for stores. */
  commitBlocks(inode: number, runs: readonly BlockRun[]): Errno {
    this.trace.note(`commit-blocks ${inode}`)
    if (this.failure < 0) return this.failure
    for (let page = 0; page < this.pages; page++) {
      const listed = runs.some(({ first, pages }) => page >= first && page < first + pages) ? 1 : 0
      const cell = this.committedCell(inode, page)
      if (this.words.load(cell) !== listed) this.words.store(cell, listed)
    }
    return 0
  }

  uncommitBlocks(inode: number, first: number, end: number): Errno {
    for (let page = first; page < Math.min(end, this.pages); page++) {
      const cell = this.committedCell(inode, page)
      if (this.words.load(cell) !== 0) this.words.store(cell, 0)
    }
    return this.failure
  }

  /** Pages from the new end on leave the cache, and every page table with it, private copies too. */
  resizeCache(inode: number, size: number): Errno {
    this.#drop(inode, Math.ceil(size / Page.Size), this.pages, true)
    return 0
  }

  noteBadBlocks(inode: number, runs: readonly BadRun[]): Errno {
    const parts = runs.map(({ first, count, latent }) => `${first}+${count}${latent ? ' latent' : ''}`)
    this.trace.note(`bad-blocks ${inode}: ${parts.join(', ')}`)
    return this.failure
  }

  resizeMedia(inode: number, size: number): Errno {
    if (size < this.pages * Page.Size) this.#zeroMedia(inode, size, this.pages * Page.Size - size)
    return this.failure
  }

  syncMedia(inode: number): Errno {
    this.trace.note(`sync-media ${inode}`)
    return this.failure
  }

  captureLine(inode: number, offset: number, at: number): Errno {
    readStep(this.words, this.cacheCell(inode, Math.floor(offset / Page.Size)))
    const line = this.cacheBytes(inode, offset, Page.LineSize)
    const view = new DataView(line.buffer, line.byteOffset, line.byteLength)
    for (let word = 0; word < Page.LineSize / 4; word++) this.words.set(at + word, view.getInt32(word * 4, true))
    return 0
  }

  commitLine(inode: number, offset: number, at: number, length: number): Errno {
    this.trace.note(`commit ${inode}:${offset}+${length}`)
    if (this.failure < 0) return this.failure
    writeStep(this.words, this.mediaCell(inode, Math.floor(offset / Page.Size)))
    const there = this.mediaBytes(inode, offset, length)
    for (let byte = 0; byte < length; byte++) there[byte] = this.words.get(at + (byte >> 2)) >>> ((byte & 3) * 8)
    this.linesCommitted++
    return 0
  }

  diffPage(inode: number, pgoff: number): Errno {
    let differing = 0
    this.#mask.fill(0)
    readStep(this.words, this.cacheCell(inode, pgoff))
    readStep(this.words, this.mediaCell(inode, pgoff))
    for (let line = 0; line < Page.LinesPerPage; line++) {
      const offset = pgoff * Page.Size + line * Page.LineSize
      const there = this.mediaBytes(inode, offset, Page.LineSize)
      if (this.cacheBytes(inode, offset, Page.LineSize).every((byte, i) => byte === there[i])) continue
      const word = Math.floor(line / LINES_IN_WORD)
      this.#mask[word] = (this.#mask[word] ?? 0) | (1 << (line % LINES_IN_WORD))
      differing++
    }
    return differing
  }

  lineMask(half: 0 | 1): number {
    return this.#mask[half] ?? 0
  }

  /** Bytes of the cache. Throws when one of their pages is not in it. No step: whoever calls has made one. */
  cacheBytes(inode: number, offset: number, length: number): Uint8Array {
    for (let page = Math.floor(offset / Page.Size); page * Page.Size < offset + length; page++) {
      if (this.words.get(this.residentCell(inode, page)) === 0) {
        throw new RangeError(`look at ${inode}:${offset}, not in the cache`)
      }
    }
    const at = this.#pageAt(inode, 0) * Page.Size + offset
    return this.#cache.subarray(at, at + length)
  }

  /** Bytes of the media. No step, as cacheBytes. */
  mediaBytes(inode: number, offset: number, length: number): Uint8Array {
    const at = this.#pageAt(inode, 0) * Page.Size + offset
    return this.#media.subarray(at, at + length)
  }

  residentCell(inode: number, page: number): number {
    return this.cells + this.#pageAt(inode, page)
  }

  committedCell(inode: number, page: number): number {
    return this.cells + this.#all + this.#pageAt(inode, page)
  }

  cacheCell(inode: number, page: number): number {
    return this.cells + 2 * this.#all + this.#pageAt(inode, page)
  }

  mediaCell(inode: number, page: number): number {
    return this.cells + 3 * this.#all + this.#pageAt(inode, page)
  }

  /** A page leaves the cache and the page tables at once: the host holds its page lock over both. */
  #drop(inode: number, first: number, end: number, copies: boolean): void {
    for (let page = first; page < end; page++) {
      const resident = this.residentCell(inode, page)
      const entries = this.entriesOf(inode, page, copies)
      asOneStep(this.words, [], [resident, ...entries], () => {
        for (const entry of entries) this.words.store(entry, 0)
        this.words.store(resident, 0)
      })
    }
  }

  #zeroMedia(inode: number, offset: number, length: number): void {
    this.#markMedia(inode, offset, length)
    this.mediaBytes(inode, offset, length).fill(0)
  }

  #markMedia(inode: number, offset: number, length: number): void {
    for (let page = Math.floor(offset / Page.Size); page * Page.Size < offset + length; page++) {
      writeStep(this.words, this.mediaCell(inode, page))
    }
  }

  #pageAt(inode: number, page: number): number {
    if (page >= this.pages) throw new RangeError(`page ${page} of ${this.pages}`)
    return (inode - 1) * this.pages + page
  }
}

/** A media error as kernel code returns it. */
export const MEDIA_ERROR: Errno = -ErrorNumber.EIO
