/**
 * Page tables through userfaultfd: the PageTable port on mappings of memfds registered MISSING | MINOR | WP.
 *
 *   mapPage          page in no cache: COPY (fills the cache and maps, one call); in the cache: CONTINUE
 *   read-only        the WP mode bit of both, so that the next store is a WP event
 *   unmapPages       shared mappings: MADV_DONTNEED, which keeps the cache; private ones: only what is not a copy
 *   failPage         POISON, over an absent page; a protected page is dropped first
 *
 * Resolve calls race with each other only between different files or mappings, since the page's entry is locked; what
 * they find may still be other than the event said, because the event is older. So: EEXIST means someone (or an earlier
 * event of the same page) was there first, ENOENT or EFAULT of CONTINUE that the cache lost the page meanwhile. Each
 * turns into the other call, and after two turns the access is simply retried.
 */
import type { Addon } from '../binding/addon.js'
import { Page } from '../constants.js'
import { type Errno, ErrorNumber } from '../errors.js'
import type { Media } from '../media/media.js'
import { type InodeTable, InodeWord } from '../mm/inode.js'
import type { PageRuns } from '../mm/page-runs.js'
import { type PageTable, PageSource } from '../mm/page-table.js'
import type { Slots } from '../mm/slots.js'
import { VmaFlag, type VmaTable } from '../mm/vma.js'
import { mutexLock, mutexUnlock } from '../sync/mutex.js'
import type { SharedWords } from '../sync/shared-words.js'
import { FillWindow } from './fill-window.js'
import { Pause } from '../sync/pause.js'
import { type PageResolver, AddonResolver, Protect, Resolve } from './page-resolver.js'
import { poisonPage } from './poison.js'

const enum Pte {
  File = 1,
  Anonymous = 2,
}

const SCAN_PAGES = 512
/** Runs of written pages fetched at a time. */
const WRITTEN_RUNS = 1024
/** Absent, and protected when it went: what pageTableEntries says of a marker. */
const MARKER = 4

export interface Userfaultfds {
  readonly sync: number
  /** That of mappings tracked asynchronously; -1: the mount has none. */
  readonly async: number
}

export class UffdPageTable implements PageTable {
  readonly #pause = new Pause()
  readonly #entries = new Uint8Array(SCAN_PAGES)
  /** Whom single pages are answered through; a fault worker has its port here. */
  resolver: PageResolver
  readonly #extent = new Float64Array(2)
  readonly #window: FillWindow
  readonly #written = new Float64Array(2 * WRITTEN_RUNS)

  constructor(
    private readonly addon: Addon,
    private readonly words: SharedWords,
    private readonly inodes: InodeTable,
    private readonly vmas: VmaTable,
    private readonly uffds: Userfaultfds,
    /** Address of 2 MiB of zeroes. */
    private readonly zeroes: number,
    private readonly slots: Slots,
    private readonly media: Media,
    /** Microseconds that a fill from media takes on top: the mount option mediaLatency. */
    private readonly latency: number,
  ) {
    this.resolver = new AddonResolver(addon, uffds.sync)
    this.#window = new FillWindow(addon)
  }

  mapPage(vma: number, pgoff: number, source: PageSource, cached: boolean, writable: boolean): Errno {
    const address = this.vmas.addressOfPage(vma, pgoff)
    if ((this.vmas.flagsOf(vma) & VmaFlag.Shared) === 0) return this.#mapPrivateRead(vma, pgoff, source, address)
    const mode = writable ? 0 : Resolve.Wp
    let error = cached
      ? this.resolver.continuePage(address, mode)
      : this.#copy(address, this.#sourceAddress(vma, pgoff, source), mode)
    if (cached && isAbsent(error)) error = this.#copy(address, this.#sourceAddress(vma, pgoff, source), mode)
    else if (!cached && error === -ErrorNumber.EEXIST) {
      error = this.resolver.continuePage(address, mode)
    }
    if (error === -ErrorNumber.EEXIST) return writable ? this.makeWritable(vma, pgoff) : this.#retry(address)
    return this.#settle(error, address)
  }

  /** The userfaultfd that a mapping is registered with: its faults arrive there, and are woken there. */
  uffdOf(vma: number): number {
    return (this.vmas.flagsOf(vma) & VmaFlag.Async) === 0 ? this.uffds.sync : this.uffds.async
  }

  mapCached(vma: number, pgoff: number, count: number): number {
    const address = this.vmas.addressOfPage(vma, pgoff)
    return this.addon.resolveContinue(this.uffdOf(vma), address, count * Page.Size, Resolve.Wp)
  }

  mapPiece(vma: number, pgoff: number, source: PageSource, cached: boolean, writable: boolean): Errno {
    const flags = this.vmas.flagsOf(vma)
    if ((flags & VmaFlag.Shared) !== 0) {
      const cache = this.inodes.number(this.vmas.inodeOf(vma), InodeWord.CacheBase)
      const end = pgoff - (pgoff % Page.PmdPages) + Page.PmdPages
      const pages = this.#window.pages(cache, pgoff, end, flags)
      if (pages > 1 && this.#mapRun(vma, pgoff, pages, source, cached, writable) > 0) return 0
    }
    return this.mapPage(vma, pgoff, source, cached, writable)
  }

  makeWritable(vma: number, pgoff: number): Errno {
    const address = this.vmas.addressOfPage(vma, pgoff)
    return this.#settle(this.resolver.unprotectPage(address), address)
  }

  mapPrivateCopy(vma: number, pgoff: number, source: PageSource): Errno {
    const address = this.vmas.addressOfPage(vma, pgoff)
    const inode = this.vmas.inodeOf(vma)
    const offset = pgoff * Page.Size
    const lock = this.inodes.at(inode) + InodeWord.Copies
    mutexLock(this.words, lock)
    // A page of the file that is mapped (protected) makes way; a copy that is already there is never dropped.
    if (this.#entryAt(address) === Pte.Anonymous) {
      mutexUnlock(this.words, lock)
      return this.makeWritable(vma, pgoff)
    }
    this.addon.dropPages(address, Page.Size)
    const cached = this.#isCached(inode, offset)
    const from = cached
      ? this.inodes.number(inode, InodeWord.CacheBase) + offset
      : this.#sourceAddress(vma, pgoff, source)
    const error = this.#copy(address, from, 0)
    mutexUnlock(this.words, lock)
    return error === -ErrorNumber.EEXIST ? this.#retry(address) : this.#settle(error, address)
  }

  /**
   * One call for the 2 MiB when the cache has none of it or all of it. A mixed one is mapped page by page on touch: the
   * slot says how, and it is rare (a file read by read(2) or faulted by 4 KiB before).
   */
  mapHuge(vma: number, pgoff: number, source: PageSource, writable: boolean): Errno {
    const start = pgoff - (pgoff % Page.PmdPages)
    const address = this.vmas.addressOfPage(vma, start)
    const mode = writable ? 0 : Resolve.Wp
    if ((this.vmas.flagsOf(vma) & VmaFlag.Shared) === 0 || source === PageSource.Zero) {
      // A private copy may have come first, by a fault of 4 KiB whose table is not noted yet: it stays (B19).
      this.unmapRange(vma, address, Page.PmdSize)
      // Of a new huge page little is mapped ahead: accesses fill in what they need.
      if (source === PageSource.Zero) this.mapPiece(vma, pgoff, source, false, writable)
      else this.#mapPrivateHuge(vma, start, source, address)
      return this.#wake(address, Page.PmdSize)
    }
    const uffd = this.uffdOf(vma)
    if (writable) this.addon.writeProtect(uffd, address, Page.PmdSize, Protect.Off)
    const done = this.addon.resolveContinue(uffd, address, Page.PmdSize, mode)
    // What cannot be copied in one go is mapped page by page on touch, and fails there.
    if (isAbsent(done)) this.#copyRun(vma, start, Page.PmdSize, source, mode)
    return this.#wake(address, Page.PmdSize)
  }

  /**
   * Map as many of these pages as one call can: those that the cache has, or has not, like the first. What the calls
   * find ends them: COPY a page that is in the cache, CONTINUE one that is not or is mapped.
   * Return: bytes mapped, or -errno when the first one was not.
   */
  #mapRun(vma: number, pgoff: number, pages: number, source: PageSource, cached: boolean, writable: boolean): number {
    const address = this.vmas.addressOfPage(vma, pgoff)
    const length = pages * Page.Size
    const mode = writable ? 0 : Resolve.Wp
    const done = cached ? -ErrorNumber.EEXIST : this.#copyRun(vma, pgoff, length, source, mode)
    return done === -ErrorNumber.EEXIST ? this.addon.resolveContinue(this.uffdOf(vma), address, length, mode) : done
  }

  #copyRun(vma: number, pgoff: number, length: number, source: PageSource, mode: number): number {
    const from = this.#sourceOfRun(vma, pgoff, source, length)
    if (from < 0) return from
    const address = this.vmas.addressOfPage(vma, pgoff)
    return failedSource(this.addon.resolveCopy(this.uffdOf(vma), address, from, length, mode))
  }

  /** At most 2 MiB. Return: as #sourceAddress. */
  #sourceOfRun(vma: number, pgoff: number, source: PageSource, length: number): number {
    const isHole = source === PageSource.Zero || this.#isHostHole(vma, pgoff, length)
    return isHole ? this.zeroes : this.#sourceAddress(vma, pgoff, source, length)
  }

  /**
   * Has the host no data there? To read a hole of it through a mapping would have it make pages first. What is past the
   * end of media is not one but missing.
   */
  #isHostHole(vma: number, pgoff: number, length: number): boolean {
    const fd = this.inodes.word(this.vmas.inodeOf(vma), InodeWord.MediaFd)
    const offset = pgoff * Page.Size
    if (this.addon.fileExtents(fd, offset, offset + length, this.#extent) !== 0) return false
    return this.addon.fileStatus(fd).size >= offset + length
  }

  unmapRange(vma: number, address: number, length: number): Errno {
    if ((this.vmas.flagsOf(vma) & VmaFlag.Shared) !== 0) return this.addon.dropPages(address, length)
    return this.#dropFilePages(this.vmas.inodeOf(vma), address, length)
  }

  /** What a private mapping answers with SIGBUS may be asked for again. */
  #dropFailed(address: number, length: number): void {
    this.slots.takeFailed(address, length, (start, bytes) => {
      for (let page = start; page < start + bytes; page += Page.Size) {
        if (this.#entryAt(page) === 0) this.addon.dropPages(page, Page.Size)
      }
    })
  }

  unmapPages(inode: number, pgoff: number, count: number): Errno {
    return this.#forEachMapping(inode, pgoff, count, (vma, address, length) => {
      this.slots.dropHuge(address, length, (start, bytes) => {
        this.unmapRange(vma, start, bytes)
      })
      if ((this.vmas.flagsOf(vma) & VmaFlag.Shared) === 0) this.#dropFailed(address, length)
      return this.unmapRange(vma, address, length)
    })
  }

  dropCopies(inode: number, pgoff: number, count: number): Errno {
    return this.#forEachMapping(inode, pgoff, count, (vma, address, length) => {
      return (this.vmas.flagsOf(vma) & VmaFlag.Shared) === 0 ? this.addon.dropPages(address, length) : 0
    })
  }

  protectRuns(inode: number, runs: PageRuns): Errno {
    // Only a 2 MiB entry can have a huge slot over it.
    if (runs.pages >= Page.PmdPages) return this.#protectPages(inode, runs.first(0), runs.pages)
    const first = runs.first(0)
    const end = runs.first(runs.count - 1) + runs.length(runs.count - 1)
    return this.#forEachMapping(inode, first, end - first, (vma) => {
      if ((this.vmas.flagsOf(vma) & VmaFlag.Shared) === 0) return 0
      const [address, pgoff, pages] = [this.vmas.addressOf(vma), this.vmas.pgoffOf(vma), this.vmas.pagesOf(vma)]
      return this.addon.writeProtectRuns(this.uffdOf(vma), address, pgoff, pages, runs.words, runs.count, Protect.On)
    })
  }

  #protectPages(inode: number, pgoff: number, count: number): Errno {
    return this.#forEachMapping(inode, pgoff, count, (vma, address, length) => {
      if ((this.vmas.flagsOf(vma) & VmaFlag.Shared) === 0) return 0
      this.slots.protectHuge(address, length)
      return this.addon.writeProtect(this.uffdOf(vma), address, length, Protect.On)
    })
  }

  failPage(vma: number, pgoff: number): Errno {
    const address = this.vmas.addressOfPage(vma, pgoff)
    if ((this.vmas.flagsOf(vma) & VmaFlag.Shared) === 0) this.slots.noteFailed(address)
    return poisonPage(this.addon, this.uffdOf(vma), address, this.#entryAt(address) === Pte.Anonymous)
  }

  /**
   * Context: takes the file's Mmap mutex over the scan, and visits without it. A scan that fails, which only a host
   * without memory has a reason for, has seen everything.
   */
  collectWritten(inode: number, first: number, last: number, visit: (first: number, pages: number) => void): void {
    const runs: number[] = []
    this.#forEachMapping(inode, first, last - first + 1, (vma, address, length) => {
      if ((this.vmas.flagsOf(vma) & VmaFlag.Async) !== 0) this.#scanWritten(vma, address, length, runs)
      return 0
    })
    for (let i = 0; i < runs.length; i += 2) visit(runs[i] as number, runs[i + 1] as number)
  }

  #scanWritten(vma: number, address: number, length: number, runs: number[]): void {
    const base = this.vmas.addressOfPage(vma, 0)
    const end = address + length
    for (let at = address; at < end;) {
      const count = this.addon.writtenPages(at, end - at, this.#written)
      if (count < 0) {
        runs.push((at - base) / Page.Size, (end - at) / Page.Size)
        return
      }
      for (let i = 0; i < count; i++) {
        const from = this.#written[2 * i] as number
        runs.push((from - base) / Page.Size, ((this.#written[2 * i + 1] as number) - from) / Page.Size)
      }
      if (count < WRITTEN_RUNS) return
      at = this.#written[2 * count - 1] as number
    }
  }

  isKnownClean(vma: number, pgoff: number, count: number): boolean {
    const address = this.vmas.addressOfPage(vma, pgoff)
    if (this.addon.pageTableEntries(address, count * Page.Size, this.#entries) < 0) return false
    for (let page = 0; page < count; page++) if (this.#entries[page] !== MARKER) return false
    return true
  }

  retryPage(vma: number, pgoff: number): void {
    this.#retry(this.vmas.addressOfPage(vma, pgoff))
  }

  /**
   * A load through a private mapping: the page must be the file's own (COPY would make it a private copy at once, deaf
   * to later stores of others), so the cache is filled first and the page mapped from there, protected.
   */
  #mapPrivateRead(vma: number, pgoff: number, source: PageSource, address: number): Errno {
    let error = this.resolver.continuePage(address, Resolve.Wp)
    if (isAbsent(error)) {
      const inode = this.vmas.inodeOf(vma)
      const offset = pgoff * Page.Size
      const length = Math.min(Page.Size, this.inodes.sizeOf(inode) - offset)
      if (length <= 0) return this.#retry(address)
      const from = this.#sourceAddress(vma, pgoff, source)
      if (from < 0) return from
      error = this.addon.writeFile(this.inodes.word(inode, InodeWord.CacheFd), from, length, offset)
      if (error >= 0) error = this.resolver.continuePage(address, Resolve.Wp)
    }
    return error === -ErrorNumber.EEXIST ? this.#retry(address) : this.#settle(error, address)
  }

  /**
   * 2 MiB of #mapPrivateRead, in two calls: read-only opens have such mappings too. What is not mapped here, since the
   * cache has some of it, or there is a copy in the way, is mapped page by page on touch.
   */
  #mapPrivateHuge(vma: number, pgoff: number, source: PageSource, address: number): void {
    const inode = this.vmas.inodeOf(vma)
    const offset = pgoff * Page.Size
    if (this.#cachedPages(inode, offset, Page.PmdPages) < 0) return
    if (!this.#entries.includes(1)) {
      const length = Math.min(Page.PmdSize, this.inodes.sizeOf(inode) - offset)
      if (length <= 0) return
      const from = this.#sourceOfRun(vma, pgoff, source, length)
      if (from < 0) return
      this.addon.writeFile(this.inodes.word(inode, InodeWord.CacheFd), from, length, offset)
    }
    this.addon.resolveContinue(this.uffdOf(vma), address, Page.PmdSize, Resolve.Wp)
  }

  /**
   * Where the page's bytes are, for a call that is about to copy them: a slow device takes its time here.
   * Return: -errno of media that does not give them.
   */
  #sourceAddress(vma: number, pgoff: number, source: PageSource, length: number = Page.Size): number {
    if (source === PageSource.Zero) return this.zeroes
    const inode = this.vmas.inodeOf(vma)
    const offset = pgoff * Page.Size
    // The event may be older than the page: then nothing is read.
    if (this.latency > 0 && !this.#isCached(inode, offset)) this.#pause.microseconds(this.latency)
    const error = this.media.beginRead(inode, offset, length)
    return error < 0 ? error : this.inodes.number(inode, InodeWord.MediaBase) + offset
  }

  /**
   * Drop what a private mapping shows of the file, not its copies. From the look to the drop no page may become a copy:
   * the caller need not hold the entries, so the mutex of mapPrivateCopy sees to that, as the page-table lock does in
   * the kernel (B29).
   */
  #dropFilePages(inode: number, address: number, length: number): Errno {
    const lock = this.inodes.at(inode) + InodeWord.Copies
    let error: Errno = 0
    for (let done = 0; error >= 0 && done < length; done += SCAN_PAGES * Page.Size) {
      mutexLock(this.words, lock)
      error = this.#dropFilePagesLocked(address + done, Math.min(SCAN_PAGES * Page.Size, length - done))
      mutexUnlock(this.words, lock)
    }
    return error < 0 ? error : 0
  }

  #dropFilePagesLocked(address: number, bytes: number): Errno {
    const error = this.addon.pageTableEntries(address, bytes, this.#entries)
    if (error < 0) return error
    for (let page = 0; page < bytes / Page.Size; page++) {
      if (((this.#entries[page] as number) & Pte.File) === 0) continue
      const dropped = this.addon.dropPages(address + page * Page.Size, Page.Size)
      if (dropped < 0) return dropped
    }
    return 0
  }

  /** Pte.File, Pte.Anonymous or 0. */
  #entryAt(address: number): number {
    if (this.addon.pageTableEntries(address, Page.Size, this.#entries) < 0) return 0
    return (this.#entries[0] as number) & (Pte.File | Pte.Anonymous)
  }

  #isCached(inode: number, offset: number): boolean {
    return this.#cachedPages(inode, offset, 1) >= 0 && this.#entries[0] === 1
  }

  #cachedPages(inode: number, offset: number, pages: number): Errno {
    const address = this.inodes.number(inode, InodeWord.CacheBase) + offset
    const fd = this.inodes.word(inode, InodeWord.CacheFd)
    return this.addon.cachedPages(fd, offset, address, pages * Page.Size, this.#entries)
  }

  /** Context: takes the file's Mmap mutex over the calls, which is why a mapping cannot go away under them. */
  #forEachMapping(
    inode: number,
    pgoff: number,
    count: number,
    visit: (vma: number, address: number, length: number) => Errno,
  ): Errno {
    const lock = this.inodes.at(inode) + InodeWord.Mmap
    let error: Errno = 0
    mutexLock(this.words, lock)
    for (let vma = this.vmas.firstInFile(inode); vma !== 0 && error >= 0; vma = this.vmas.nextInFile(vma)) {
      const first = Math.max(pgoff, this.vmas.pgoffOf(vma))
      const end = Math.min(pgoff + count, this.vmas.pgoffOf(vma) + this.vmas.pagesOf(vma))
      if (first >= end) continue
      error = visit(vma, this.vmas.addressOfPage(vma, first), (end - first) * Page.Size)
    }
    mutexUnlock(this.words, lock)
    return error < 0 ? error : 0
  }

  #retry(address: number): Errno {
    return this.#wake(address, Page.Size)
  }

  /** Who sleeps there sleeps on the userfaultfd of the mapping; to ask which it is costs more than to wake nobody. */
  #wake(address: number, length: number): Errno {
    this.addon.wakeRange(this.uffds.sync, address, length)
    if (this.uffds.async >= 0) this.addon.wakeRange(this.uffds.async, address, length)
    return 0
  }

  #copy(address: number, from: number, mode: number): Errno {
    if (from < 0) return from
    return failedSource(this.resolver.copyPage(address, from, mode))
  }

  /** A mapping or page that is gone needs no answer but a wake: the access meets the host kernel's own verdict. */
  #settle(error: Errno, address: number): Errno {
    if (error >= 0) return 0
    return isAbsent(error) || error === -ErrorNumber.EAGAIN ? this.#retry(address) : error
  }
}

/** What CONTINUE says when the cache has no such page, and every call when the mapping is gone. */
function isAbsent(error: Errno): boolean {
  return error === -ErrorNumber.ENOENT || error === -ErrorNumber.EFAULT
}

/** EFAULT of COPY is the source: the media page cannot be read, which is no reason to try again. */
function failedSource(error: Errno): Errno {
  return error === -ErrorNumber.EFAULT ? -ErrorNumber.EIO : error
}
