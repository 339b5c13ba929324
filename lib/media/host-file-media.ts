/**
 * Media on the host: the cache is a memfd, the media the file itself, both mapped once for the kernel's own use.
 *
 * The kernel never touches a user mapping (D3). It reads and writes the cache through an alias mapping that is not
 * registered with userfaultfd, and reads media through a read-only mapping. Both reach far past EOF, so growing a file
 * moves nothing; an access past EOF is a SIGBUS the addon's guards turn into -EIO.
 *
 * Never look at a page of the alias that is not in the cache: the look itself would put a zero page there. That is what
 * isCached and fillPage are for, and why every other call says which pages it may be given.
 *
 * Media is written with pwrite, not through a mapping: the host can then say ENOSPC or EIO, instead of killing us.
 */
import type { Addon } from '../binding/addon.js'
import { Page } from '../constants.js'
import { type Errno, ErrorNumber } from '../errors.js'
import { InodeFlag, type InodeTable, InodeWord } from '../mm/inode.js'
import { Counter } from '../stats.js'
import type { PageRuns } from '../mm/page-runs.js'
import type { Threads } from '../sync/threads.js'
import { type BlockRun, BlockState } from './block-map.js'
import type { Media } from './media.js'
import { writeBadBlocks } from './host-file-bad-blocks.js'
import { type NotedRun, trimNote, writeNote } from './host-file-blocks.js'
import type { NotePlace } from './host-file-notes.js'
import type { BadRun } from './page-poison.js'

const RESIDENCY_PAGES = 4096
const MOVE_BYTES = 256 * 1024

export class HostFileMedia implements Media {
  readonly #lines = new Float64Array(2)
  readonly #mask = new Int32Array(2)
  readonly #residency = new Uint8Array(RESIDENCY_PAGES)
  readonly #pair = new Float64Array(2)
  readonly #movingBuffer = new Uint8Array(MOVE_BYTES)
  readonly #moving: number
  readonly #wordsAddress: number
  readonly #notePlace: NotePlace

  constructor(
    private readonly addon: Addon,
    private readonly inodes: InodeTable,
    private readonly threads: Threads,
    private readonly self: number,
    pool: number,
    buffer: SharedArrayBuffer,
  ) {
    this.#moving = addon.addressOf(this.#movingBuffer)
    this.#wordsAddress = addon.addressOf(new Int32Array(buffer))
    this.#notePlace = { pool, writer: self }
  }

  writeback(inode: number, offset: number, length: number, size: number): Errno {
    if (length <= Page.Size) return this.#writeRun(inode, offset, length, size)
    // Of a long range, only what the cache holds: to look at another page would put zeroes into the cache.
    for (let done = 0; done < length;) {
      const bytes = Math.min(RESIDENCY_PAGES * Page.Size, length - done)
      const error = this.#writeResident(inode, offset + done, bytes, size)
      if (error < 0) return error
      done += bytes
    }
    return 0
  }

  writebackRuns(inode: number, runs: PageRuns, size: number): Errno {
    if (runs.pages < Page.PmdPages) {
      this.#lines.fill(0)
      const [cache, media] = [this.#cache(inode), this.#media(inode)]
      const fd = this.#mediaFd(inode)
      const error = this.addon.writebackRuns(cache, media, fd, runs.words, runs.count, size, this.#lines)
      this.#countLines()
      if (error !== -ErrorNumber.EIO) return error
    }
    // Each for itself: one of them cannot be looked at, or the cache need not have all of it.
    for (let run = 0; run < runs.count; run++) {
      const error = this.writeback(inode, runs.first(run) * Page.Size, runs.length(run) * Page.Size, size)
      if (error < 0) return error
    }
    return 0
  }

  #countLines(): void {
    this.threads.count(this.self, Counter.LinesWritten, this.#lines[0] as number)
    this.threads.count(this.self, Counter.LineRuns, this.#lines[1] as number)
  }

  /** Runs of pages in the cache, one addon call each. offset: anywhere in a page. */
  #writeResident(inode: number, offset: number, length: number, size: number): Errno {
    const first = Math.floor(offset / Page.Size)
    const pages = Math.ceil((offset + length) / Page.Size) - first
    const cached = this.#cachedPages(inode, first * Page.Size, pages)
    if (cached < 0) return cached
    for (let page = 0; page < pages; page++) {
      if (this.#residency[page] === 0) continue
      const from = page
      while (page + 1 < pages && this.#residency[page + 1] === 1) page++
      const start = Math.max(offset, (first + from) * Page.Size)
      const end = Math.min(offset + length, (first + page + 1) * Page.Size)
      const error = this.#writeRun(inode, start, end - start, size)
      if (error < 0) return error
    }
    return 0
  }

  #writeRun(inode: number, offset: number, length: number, size: number): Errno {
    this.#lines.fill(0)
    const error = this.addon.writebackLines(
      this.#cache(inode) + offset,
      this.#media(inode) + offset,
      length,
      this.#mediaFd(inode),
      offset,
      size,
      this.#lines,
    )
    this.#countLines()
    return error === -ErrorNumber.EIO ? this.#writeUnseen(inode, offset, Math.min(length, size - offset)) : error
  }

  /**
   * Media that cannot be looked at (a bad block; on tmpfs a hole when the file system is full) can be written all the
   * same, without comparing; and if not, the write tells the real reason.
   */
  #writeUnseen(inode: number, offset: number, length: number): Errno {
    if (length <= 0) return 0
    const written = this.addon.writeFile(this.#mediaFd(inode), this.#cache(inode) + offset, length, offset)
    if (written < 0) return written
    return written === length ? 0 : -ErrorNumber.ENOSPC
  }

  commitBlocks(inode: number, runs: readonly BlockRun[]): Errno {
    const fd = this.#mediaFd(inode)
    const noted: NotedRun[] = []
    for (const { first, pages, state } of runs) {
      const end = first + pages
      if (state === BlockState.Written) this.#noteHoles(fd, first, end, noted)
      else noted.push({ first, end, written: false })
      const keepSize = this.#flag('FALLOC_FL_KEEP_SIZE')
      const error = this.addon.allocateFile(fd, keepSize, first * Page.Size, pages * Page.Size)
      if (error < 0) return error
    }
    if (this.inodes.hasFlags(inode, InodeFlag.Unlinked)) return 0
    this.#setNoted(inode, noted.length > 0)
    return writeNote(this.addon, this.#notePlace, this.inodes.nameOf(inode), noted)
  }

  noteBadBlocks(inode: number, runs: readonly BadRun[]): Errno {
    if (this.inodes.hasFlags(inode, InodeFlag.Unlinked)) return 0
    return writeBadBlocks(this.addon, this.#notePlace, this.inodes.nameOf(inode), runs)
  }

  uncommitBlocks(inode: number, first: number, end: number): Errno {
    const { inodes } = this
    if (first >= end || !inodes.hasFlags(inode, InodeFlag.Noted) || inodes.hasFlags(inode, InodeFlag.Unlinked)) return 0
    const left = trimNote(this.addon, this.#notePlace, inodes.nameOf(inode), first, end)
    if (left === 0) this.#setNoted(inode, false)
    return left < 0 ? left : 0
  }

  #setNoted(inode: number, noted: boolean): void {
    if (noted) this.inodes.setFlags(inode, InodeFlag.Noted)
    else this.inodes.clearFlags(inode, InodeFlag.Noted)
  }

  /** Written blocks the host has no data for. */
  #noteHoles(fd: number, first: number, end: number, noted: NotedRun[]): void {
    for (let page = first; page < end;) {
      const found = this.addon.fileExtents(fd, page * Page.Size, end * Page.Size, this.#pair)
      const dataStart = found === 0 ? end : Math.floor((this.#pair[0] as number) / Page.Size)
      if (page < dataStart) noted.push({ first: page, end: dataStart, written: true })
      page = found === 0 ? end : Math.max(page + 1, Math.ceil((this.#pair[1] as number) / Page.Size))
    }
  }

  isCached(inode: number, offset: number, length: number): boolean {
    const first = offset - (offset % Page.Size)
    for (let at = first; at < offset + length; at += RESIDENCY_PAGES * Page.Size) {
      const pages = Math.min(RESIDENCY_PAGES, Math.ceil((offset + length - at) / Page.Size))
      if (this.#cachedPages(inode, at, pages) < 0) return false
      for (let page = 0; page < pages; page++) if (this.#residency[page] === 0) return false
    }
    return true
  }

  /** What the host has swapped out is in the cache too, and newer than media perhaps. */
  #cachedPages(inode: number, offset: number, pages: number): Errno {
    const address = this.#cache(inode) + offset
    return this.addon.cachedPages(this.#cacheFd(inode), offset, address, pages * Page.Size, this.#residency)
  }

  /** What the host cannot read is found out by the copy. */
  beginRead(): Errno {
    return 0
  }

  fillPage(inode: number, pgoff: number, fromMedia: boolean): Errno {
    const offset = pgoff * Page.Size
    if (this.isCached(inode, offset, Page.Size)) return 0
    const length = Math.min(Page.Size, this.inodes.sizeOf(inode) - offset)
    if (length <= 0) return -ErrorNumber.EFAULT
    if (!fromMedia) return this.#touched(this.addon.fillMemory(this.#cache(inode) + offset, 0, length), length)
    // One write of the whole page: a fault that finds the page in the cache finds all of it.
    return this.addon.writeFile(this.#cacheFd(inode), this.#media(inode) + offset, length, offset)
  }

  fillPages(inode: number, pgoff: number, count: number): Errno {
    const end = pgoff + count
    let filled = 0
    for (let first = pgoff; first < end; first += RESIDENCY_PAGES) {
      const pages = Math.min(RESIDENCY_PAGES, end - first)
      const cached = this.#cachedPages(inode, first * Page.Size, pages)
      if (cached < 0) return cached
      for (let page = 0; page < pages; page++) {
        const from = page
        while (page < pages && this.#residency[page] === 0) page++
        const error = this.#fillRun(inode, first + from, first + page)
        if (error < 0) return error
        filled += error
      }
    }
    return filled
  }

  /** What media has as data of pages that the cache has not. Return: how many, or -errno. */
  #fillRun(inode: number, first: number, end: number): Errno {
    const limit = Math.min(end * Page.Size, this.inodes.sizeOf(inode))
    let filled = 0
    for (let at = first * Page.Size; at < limit;) {
      // To read a hole of the host through a mapping may have it make pages first (tmpfs).
      if (this.addon.fileExtents(this.#mediaFd(inode), at, limit, this.#pair) === 0) break
      const from = Math.floor((this.#pair[0] as number) / Page.Size) * Page.Size
      const to = Math.min(limit, Math.ceil((this.#pair[1] as number) / Page.Size) * Page.Size)
      const written = this.addon.writeFile(this.#cacheFd(inode), this.#media(inode) + from, to - from, from)
      if (written !== to - from) return written < 0 && written !== -ErrorNumber.EFAULT ? written : -ErrorNumber.EIO
      filled += Math.ceil((to - from) / Page.Size)
      at = to
    }
    return filled
  }

  zeroCache(inode: number, offset: number, length: number): Errno {
    for (let at = offset; at < offset + length;) {
      const step = Math.min(offset + length - at, Page.Size - (at % Page.Size))
      if (this.isCached(inode, at, step)) {
        const error = this.#touched(this.addon.fillMemory(this.#cache(inode) + at, 0, step), step)
        if (error < 0) return error
      }
      at += step
    }
    return 0
  }

  zeroMedia(inode: number, offset: number, length: number): Errno {
    return this.punchMedia(inode, offset, length)
  }

  dropCache(inode: number, offset: number, length: number): Errno {
    return this.addon.allocateFile(this.#cacheFd(inode), this.#punchMode, offset, length)
  }

  punchMedia(inode: number, offset: number, length: number): Errno {
    return this.addon.allocateFile(this.#mediaFd(inode), this.#punchMode, offset, length)
  }

  moveMedia(inode: number, from: number, to: number, length: number): Errno {
    const fd = this.#mediaFd(inode)
    // In the direction in which nothing is overwritten before it was read, by pieces that do not overlap themselves.
    const step = Math.min(MOVE_BYTES, Math.abs(to - from))
    const pieces = Math.ceil(length / step)
    let error: Errno = 0
    let piece = 0
    for (; error >= 0 && piece < pieces; piece++) {
      const at = (to < from ? piece : pieces - 1 - piece) * step
      error = this.#movePiece(fd, from + at, to + at, Math.min(step, length - at))
    }
    if (error < 0) piece--
    else if (to > from) error = this.addon.allocateFile(fd, this.#punchMode, from, to - from)
    if (error < 0) this.#moveBack(fd, from, to, length, step, piece)
    return error < 0 ? error : 0
  }

  /** Undo the pieces before `end`, the last one first: each lies over what the one before it was copied from. */
  #moveBack(fd: number, from: number, to: number, length: number, step: number, end: number): void {
    const pieces = Math.ceil(length / step)
    for (let piece = end - 1; piece >= 0; piece--) {
      const at = (to < from ? piece : pieces - 1 - piece) * step
      if (this.#movePiece(fd, to + at, from + at, Math.min(step, length - at)) < 0) return
    }
  }

  /** Data becomes data and holes become holes: what is allocated is counted by them at the next mount. */
  #movePiece(fd: number, from: number, to: number, length: number): Errno {
    const end = from + length
    for (let at = from; at < end;) {
      const found = this.addon.fileExtents(fd, at, end, this.#pair)
      const dataStart = found === 0 ? end : Math.max(at, this.#pair[0] as number)
      const dataEnd = found === 0 ? end : Math.min(end, this.#pair[1] as number)
      if (dataStart > at) {
        const error = this.addon.allocateFile(fd, this.#punchMode, to + at - from, dataStart - at)
        if (error < 0) return error
      }
      const moved = this.#copyPiece(fd, dataStart, to + dataStart - from, dataEnd - dataStart)
      if (moved < 0) return moved
      at = dataEnd
    }
    return 0
  }

  #copyPiece(fd: number, from: number, to: number, length: number): Errno {
    if (length === 0) return 0
    const read = this.addon.readFile(fd, this.#moving, length, from)
    return read < 0 ? read : this.addon.writeFile(fd, this.#moving, read, to)
  }

  resizeCache(inode: number, size: number): Errno {
    return this.addon.truncateFile(this.#cacheFd(inode), size)
  }

  resizeMedia(inode: number, size: number): Errno {
    return this.addon.truncateFile(this.#mediaFd(inode), size)
  }

  syncMedia(inode: number): Errno {
    return this.addon.syncFile(this.#mediaFd(inode), true)
  }

  captureLine(inode: number, offset: number, at: number): Errno {
    const source = this.#cache(inode) + offset
    const error = this.addon.flushLines(source, Page.LineSize)
    if (error < 0) return error
    return this.#touched(this.addon.copyMemory(this.#wordsAddress + at * 4, source, Page.LineSize), Page.LineSize)
  }

  commitLine(inode: number, offset: number, at: number, length: number): Errno {
    return this.addon.writeFile(this.#mediaFd(inode), this.#wordsAddress + at * 4, length, offset)
  }

  diffPage(inode: number, pgoff: number): Errno {
    const offset = pgoff * Page.Size
    const length = Math.min(Page.Size, this.inodes.sizeOf(inode) - offset)
    this.#mask.fill(0)
    if (length <= 0) return 0
    const whole = Math.ceil(length / Page.LineSize) * Page.LineSize
    return this.addon.diffLines(this.#cache(inode) + offset, this.#media(inode) + offset, whole, this.#mask)
  }

  lineMask(half: 0 | 1): number {
    return this.#mask[half] as number
  }

  get #punchMode(): number {
    return this.#flag('FALLOC_FL_PUNCH_HOLE') | this.#flag('FALLOC_FL_KEEP_SIZE')
  }

  #flag(name: string): number {
    return this.addon.constants[name] as number
  }

  #cache(inode: number): number {
    return this.inodes.number(inode, InodeWord.CacheBase)
  }

  #media(inode: number): number {
    return this.inodes.number(inode, InodeWord.MediaBase)
  }

  #cacheFd(inode: number): number {
    return this.inodes.word(inode, InodeWord.CacheFd)
  }

  #mediaFd(inode: number): number {
    return this.inodes.word(inode, InodeWord.MediaFd)
  }

  /** A guarded access that fell short met a page that is not there. */
  #touched(done: Errno, length: number): Errno {
    return done === length ? 0 : -ErrorNumber.EIO
  }
}
