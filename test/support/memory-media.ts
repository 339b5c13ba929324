/**
 * The Media port over plain shared memory: cache and media of a few small files, shared by all threads that attach.
 *
 *   memory   for each file and page: one word "in the cache", 4096 bytes of cache, 4096 bytes of media
 *
 * Stricter than the host: looking at a page that is not in the cache throws, where the real one would put a page of
 * zeroes there.
 */
import { Page } from '../../lib/constants.js'
import { type Errno, ErrorNumber } from '../../lib/errors.js'
import type { Media } from '../../lib/media/media.js'
import type { BadRun } from '../../lib/media/page-poison.js'
import type { SharedWords } from '../../lib/sync/shared-words.js'
import type { PortTrace } from './port-trace.js'

const LINES_IN_WORD = 32

export class MemoryMedia implements Media {
  /** Lines that writeback moved, and snapshots that reached media: what a real device would be charged for. */
  linesWritten = 0
  linesCommitted = 0
  /** While not 0, calls that write media return it. */
  failure: Errno = 0
  readonly #resident: Int32Array
  readonly #cache: Uint8Array
  readonly #media: Uint8Array
  readonly #mask = [0, 0]

  static bytesFor(files: number, pages: number): number {
    return files * pages * (4 + 2 * Page.Size)
  }

  constructor(
    buffer: SharedArrayBuffer,
    base: number,
    files: number,
    readonly pages: number,
    private readonly words: SharedWords,
    private readonly trace: PortTrace,
  ) {
    const all = files * pages
    this.#resident = new Int32Array(buffer, base, all)
    this.#cache = new Uint8Array(buffer, base + all * 4, all * Page.Size)
    this.#media = new Uint8Array(buffer, base + all * (4 + Page.Size), all * Page.Size)
  }

  writeback(inode: number, offset: number, length: number, size: number): Errno {
    this.trace.note(`writeback ${inode}:${offset}+${length}`)
    if (this.failure < 0) return this.failure
    for (let at = offset; at < Math.min(offset + length, size); at += Page.LineSize) {
      const line = this.cacheBytes(inode, at, Math.min(Page.LineSize, size - at))
      const there = this.mediaBytes(inode, at, line.length)
      if (line.every((byte, i) => byte === there[i])) continue
      there.set(line)
      this.linesWritten++
    }
    return 0
  }

  isCached(inode: number, offset: number, length: number): boolean {
    for (let page = Math.floor(offset / Page.Size); page * Page.Size < offset + length; page++) {
      if (Atomics.load(this.#resident, this.#pageAt(inode, page)) === 0) return false
    }
    return true
  }

  fillPage(inode: number, pgoff: number, fromMedia: boolean): Errno {
    if (this.isCached(inode, pgoff * Page.Size, Page.Size)) return 0
    this.trace.note(`fill ${inode}:${pgoff} ${fromMedia ? 'media' : 'zero'}`)
    const at = this.#pageAt(inode, pgoff)
    const page = this.#cache.subarray(at * Page.Size, (at + 1) * Page.Size)
    if (fromMedia) page.set(this.mediaBytes(inode, pgoff * Page.Size, Page.Size))
    else page.fill(0)
    Atomics.store(this.#resident, at, 1)
    return 0
  }

  zeroCache(inode: number, offset: number, length: number): Errno {
    this.trace.note(`zero-cache ${inode}:${offset}+${length}`)
    if (this.isCached(inode, offset, length)) this.cacheBytes(inode, offset, length).fill(0)
    return 0
  }

  zeroMedia(inode: number, offset: number, length: number): Errno {
    this.trace.note(`zero-media ${inode}:${offset}+${length}`)
    this.mediaBytes(inode, offset, length).fill(0)
    return this.failure
  }

  dropCache(inode: number, offset: number, length: number): Errno {
    this.trace.note(`drop-cache ${inode}:${offset}+${length}`)
    for (let at = offset; at < offset + length; at += Page.Size) {
      Atomics.store(this.#resident, this.#pageAt(inode, Math.floor(at / Page.Size)), 0)
    }
    return 0
  }

  punchMedia(inode: number, offset: number, length: number): Errno {
    this.trace.note(`punch-media ${inode}:${offset}+${length}`)
    this.mediaBytes(inode, offset, length).fill(0)
    return this.failure
  }

  moveMedia(inode: number, from: number, to: number, length: number): Errno {
    const bytes = this.mediaBytes(inode, from, length).slice()
    this.mediaBytes(inode, to, length).set(bytes)
    return 0
  }

  uncommitBlocks(): Errno {
    return 0
  }

  commitBlocks(): Errno {
    return 0
  }

  noteBadBlocks(inode: number, runs: readonly BadRun[]): Errno {
    const parts = runs.map(({ first, count, latent }) => `${first}+${count}${latent ? ' latent' : ''}`)
    this.trace.note(`bad-blocks ${inode}: ${parts.join(', ')}`)
    return this.failure
  }

  resizeCache(): Errno {
    return 0
  }

  resizeMedia(): Errno {
    return this.failure
  }

  syncMedia(inode: number): Errno {
    this.trace.note(`sync-media ${inode}`)
    return this.failure
  }

  captureLine(inode: number, offset: number, at: number): Errno {
    const line = this.cacheBytes(inode, offset, Page.LineSize)
    const view = new DataView(line.buffer, line.byteOffset, line.byteLength)
    for (let word = 0; word < Page.LineSize / 4; word++) this.words.set(at + word, view.getInt32(word * 4, true))
    return 0
  }

  commitLine(inode: number, offset: number, at: number, length: number): Errno {
    this.trace.note(`commit ${inode}:${offset}+${length}`)
    if (this.failure < 0) return this.failure
    const there = this.mediaBytes(inode, offset, length)
    for (let byte = 0; byte < length; byte++) there[byte] = this.words.get(at + (byte >> 2)) >>> ((byte & 3) * 8)
    this.linesCommitted++
    return 0
  }

  diffPage(inode: number, pgoff: number): Errno {
    let differing = 0
    this.#mask.fill(0)
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

  /** Bytes of the cache. Throws when one of their pages is not in it. */
  cacheBytes(inode: number, offset: number, length: number): Uint8Array {
    if (!this.isCached(inode, offset, length)) throw new RangeError(`look at ${inode}:${offset}, not in the cache`)
    const at = this.#pageAt(inode, 0) * Page.Size + offset
    return this.#cache.subarray(at, at + length)
  }

  /** Bytes of the media. */
  mediaBytes(inode: number, offset: number, length: number): Uint8Array {
    const at = this.#pageAt(inode, 0) * Page.Size + offset
    return this.#media.subarray(at, at + length)
  }

  #pageAt(inode: number, page: number): number {
    if (page >= this.pages) throw new RangeError(`page ${page} of ${this.pages}`)
    return (inode - 1) * this.pages + page
  }
}

/** A media error as kernel code returns it. */
export const MEDIA_ERROR: Errno = -ErrorNumber.EIO
