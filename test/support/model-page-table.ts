/**
 * The PageTable port as a table of words, and the CPU that uses it: loads and stores that fault until they succeed.
 *
 *   words   for each mapping and page of the file: a Pte, and a count of writes to its copy. They are steps: see
 *           step-words.ts. A load or a store is one step, the walk of the page table included: when a call that
 *           protects or unmaps a page returns, no store through the old entry is still to come (the TLB was flushed)
 *   copies  4096 bytes for each of them: the anonymous page of a private mapping
 */
import type { PageRuns } from '../../lib/mm/page-runs.js'
import { Page } from '../../lib/constants.js'
import { Access } from '../../lib/dax/fault-context.js'
import { serveFault } from '../../lib/dax/fault.js'
import type { Kernel } from '../../lib/dax/kernel.js'
import { type Errno, ErrorNumber } from '../../lib/errors.js'
import { InodeWord, type InodeTable } from '../../lib/mm/inode.js'
import { PageSource, type PageTable } from '../../lib/mm/page-table.js'
import { VmaFlag, type VmaTable } from '../../lib/mm/vma.js'
import { mutexLock, mutexUnlock } from '../../lib/sync/mutex.js'
import type { SharedWords } from '../../lib/sync/shared-words.js'
import type { MemoryMedia } from './memory-media.js'
import type { PortTrace } from './port-trace.js'
import { asOneStep, readStep } from './step-words.js'

export const enum Pte {
  Absent = 0,
  Protected = 1,
  Writable = 2,
  /** Anonymous: a private mapping's own page. */
  Copy = 3,
  /** Answers with SIGBUS. */
  Failed = 4,
  /** Of an asynchronous mapping: absent, and protected when it went. */
  Marker = 5,
}

/** What the access of a page that cannot be had ends in. */
export class Sigbus extends Error {
  override readonly name = 'Sigbus'
}

const FAULTS_MAX = 100

export class ModelPageTable implements PageTable {
  /** While not 0, mapPage fails with it. */
  failure: Errno = 0
  /** Runs inside the step of each store through a page-table entry: what must hold when a store is possible. */
  onStore: (vma: number, pgoff: number) => void = () => undefined
  readonly #all: number
  readonly #copies: Uint8Array

  static bytesFor(mappings: number, pages: number): number {
    return mappings * pages * Page.Size
  }

  static wordsFor(mappings: number, pages: number): number {
    return mappings * pages * 2
  }

  constructor(
    buffer: SharedArrayBuffer,
    base: number,
    mappings: number,
    private readonly words: SharedWords,
    private readonly cells: number,
    private readonly inodes: InodeTable,
    private readonly vmas: VmaTable,
    private readonly media: MemoryMedia,
    private readonly trace: PortTrace,
  ) {
    this.#all = mappings * media.pages
    this.#copies = new Uint8Array(buffer, base, this.#all * Page.Size)
    media.entriesOf = (inode, pgoff, copies) => this.#entriesOf(inode, pgoff, copies)
  }

  mapPage(vma: number, pgoff: number, source: PageSource, _cached: boolean, writable: boolean): Errno {
    this.trace.note(`map v${vma}:${pgoff} ${nameOf(source)} ${writable ? 'w' : 'r'}`)
    if (this.failure < 0) return this.failure
    this.media.fillPage(this.vmas.inodeOf(vma), pgoff, source === PageSource.Media)
    if (writable || isAbsent(this.pte(vma, pgoff))) this.#set(vma, pgoff, writable ? Pte.Writable : Pte.Protected)
    return 0
  }

  mapCached(vma: number, pgoff: number, count: number): number {
    this.trace.note(`map-cached v${vma}:${pgoff}+${count}`)
    const inode = this.vmas.inodeOf(vma)
    let mapped = 0
    while (mapped < count && this.pte(vma, pgoff + mapped) === Pte.Absent) {
      if (!this.media.isCached(inode, (pgoff + mapped) * Page.Size, Page.Size)) break
      this.#set(vma, pgoff + mapped, Pte.Protected)
      mapped++
    }
    return mapped > 0 ? mapped * Page.Size : -ErrorNumber.EEXIST
  }

  mapPiece(vma: number, pgoff: number, source: PageSource, cached: boolean, writable: boolean): Errno {
    return this.mapPage(vma, pgoff, source, cached, writable)
  }

  /** Maps nothing ahead: each page is filled in when it is touched, which the port allows. */
  mapHuge(vma: number, pgoff: number, source: PageSource, writable: boolean): Errno {
    const start = pgoff - (pgoff % Page.PmdPages)
    this.trace.note(`map-huge v${vma}:${start} ${nameOf(source)} ${writable ? 'w' : 'r'}`)
    return 0
  }

  unmapRange(vma: number, address: number, length: number): Errno {
    const first = this.vmas.pgoffOf(vma) + (address - this.vmas.addressOf(vma)) / Page.Size
    for (let page = first; page < first + length / Page.Size; page++) {
      this.#drop(vma, page)
    }
    return 0
  }

  dropCopies(inode: number, pgoff: number, count: number): Errno {
    this.#forEach(inode, pgoff, count, (vma, page) => {
      if ((this.vmas.flagsOf(vma) & VmaFlag.Shared) === 0) this.#set(vma, page, Pte.Absent)
    })
    return 0
  }

  makeWritable(vma: number, pgoff: number): Errno {
    this.trace.note(`upgrade v${vma}:${pgoff}`)
    if (this.pte(vma, pgoff) === Pte.Protected) this.#set(vma, pgoff, Pte.Writable)
    return 0
  }

  mapPrivateCopy(vma: number, pgoff: number, source: PageSource): Errno {
    this.trace.note(`copy v${vma}:${pgoff} ${nameOf(source)}`)
    if (this.pte(vma, pgoff) === Pte.Copy) return 0
    const inode = this.vmas.inodeOf(vma)
    const offset = pgoff * Page.Size
    const copy = this.#copyBytes(vma, pgoff)
    if (this.media.isCached(inode, offset, Page.Size)) {
      readStep(this.words, this.media.cacheCell(inode, pgoff))
      copy.set(this.media.cacheBytes(inode, offset, Page.Size))
    } else if (source === PageSource.Zero) copy.fill(0)
    else {
      readStep(this.words, this.media.mediaCell(inode, pgoff))
      copy.set(this.media.mediaBytes(inode, offset, Page.Size))
    }
    this.words.add(this.copyCell(vma, pgoff), 1)
    this.#set(vma, pgoff, Pte.Copy)
    return 0
  }

  unmapPages(inode: number, pgoff: number, count: number): Errno {
    this.trace.note(`unmap ${inode}:${pgoff}+${count}`)
    this.#forEach(inode, pgoff, count, (vma, page) => {
      this.#drop(vma, page)
    })
    return 0
  }

  protectRuns(inode: number, runs: PageRuns): Errno {
    for (let run = 0; run < runs.count; run++) this.#protectPages(inode, runs.first(run), runs.length(run))
    return 0
  }

  #protectPages(inode: number, pgoff: number, count: number): void {
    this.trace.note(`protect ${inode}:${pgoff}+${count}`)
    this.#forEach(inode, pgoff, count, (vma, page) => {
      if (this.vmas.isAsync(vma)) this.#change(vma, page, (pte) => (isAbsent(pte) ? Pte.Marker : Pte.Protected))
      else if (this.pte(vma, page) === Pte.Writable) this.#set(vma, page, Pte.Protected)
    })
  }

  collectWritten(inode: number, first: number, last: number, visit: (first: number, pages: number) => void): void {
    const pages: number[] = []
    this.#forEach(inode, first, last - first + 1, (vma, page) => {
      if (this.mayBeWritten(vma, page)) pages.push(page)
    })
    for (const page of pages) visit(page, 1)
  }

  /** Has the page lost its protection, in a mapping where nothing else tells of stores? */
  mayBeWritten(vma: number, page: number): boolean {
    const pte = this.pte(vma, page)
    return this.vmas.isAsync(vma) && pte !== Pte.Protected && pte !== Pte.Marker
  }

  isKnownClean(vma: number, pgoff: number, count: number): boolean {
    for (let page = pgoff; page < pgoff + count; page++) if (this.pte(vma, page) !== Pte.Marker) return false
    return true
  }

  failPage(vma: number, pgoff: number): Errno {
    this.trace.note(`fail v${vma}:${pgoff}`)
    this.#set(vma, pgoff, Pte.Failed)
    return 0
  }

  retryPage(vma: number, pgoff: number): void {
    this.trace.note(`retry v${vma}:${pgoff}`)
  }

  /** Pte of a page of the file in a mapping. */
  pte(vma: number, pgoff: number): number {
    return this.words.load(this.pteCell(vma, pgoff))
  }

  /** A load by user code of the calling thread. offset: byte in the file. Throws Sigbus. */
  load(kernel: Kernel, vma: number, offset: number): number {
    return this.#access(kernel, vma, offset, false, (bytes) => bytes[0] as number)
  }

  /** A store by user code of the calling thread. Throws Sigbus. */
  store(kernel: Kernel, vma: number, offset: number, value: number): void {
    this.#access(kernel, vma, offset, true, (bytes) => {
      this.onStore(vma, Math.floor(offset / Page.Size))
      return (bytes[0] = value)
    })
  }

  /** Drop the page tables of a mapping, as MADV_DONTNEED does to a shared one. */
  forget(vma: number): void {
    for (let page = 0; page < this.media.pages; page++) this.#drop(vma, page, true)
  }

  #access(kernel: Kernel, vma: number, offset: number, write: boolean, act: (byte: Uint8Array) => number): number {
    const inode = this.vmas.inodeOf(vma)
    const pgoff = Math.floor(offset / Page.Size)
    const cell = this.pteCell(vma, pgoff)
    const bytes = [this.media.cacheCell(inode, pgoff), this.copyCell(vma, pgoff)]
    // The host lifts the protection of a page by itself, in the step of the store.
    const lifts = write && this.vmas.isAsync(vma)
    for (let faults = 0; faults < FAULTS_MAX; faults++) {
      let pte: number = Pte.Absent
      const writes = lifts ? [cell, ...bytes] : bytes
      const done = asOneStep(this.words, write ? [cell] : [cell, ...bytes], write ? writes : [], () => {
        pte = this.words.load(cell)
        if (isAbsent(pte) || pte === Pte.Failed || (pte === Pte.Protected && write && !lifts)) return -1
        if (pte === Pte.Protected && lifts) this.words.store(cell, Pte.Writable)
        if (write) for (const count of bytes) this.words.add(count, 1)
        if (pte === Pte.Copy) return act(this.#copyBytes(vma, pgoff).subarray(offset % Page.Size))
        return act(this.media.cacheBytes(inode, offset, 1))
      })
      if (done >= 0) return done
      if (pte === Pte.Failed) throw new Sigbus(`page ${pgoff} of mapping ${vma}`)
      if (pgoff >= this.inodes.pagesOf(inode)) throw new Sigbus(`page ${pgoff} is past EOF`)
      let flags = write ? Access.Write : 0
      if (pte === Pte.Protected) flags |= Access.Protected
      else if (this.media.isCached(inode, pgoff * Page.Size, Page.Size)) flags |= Access.Cached
      serveFault(kernel, vma, pgoff, flags, true)
    }
    throw new Error(`page ${pgoff} of mapping ${vma} faults for ever`)
  }

  #forEach(inode: number, pgoff: number, count: number, visit: (vma: number, page: number) => void): void {
    const lock = this.inodes.at(inode) + InodeWord.Mmap
    mutexLock(this.words, lock)
    for (let vma = this.vmas.firstInFile(inode); vma !== 0; vma = this.vmas.nextInFile(vma)) {
      const first = Math.max(pgoff, this.vmas.pgoffOf(vma))
      const end = Math.min(pgoff + count, this.vmas.pgoffOf(vma) + this.vmas.pagesOf(vma), this.media.pages)
      for (let page = first; page < end; page++) visit(vma, page)
    }
    mutexUnlock(this.words, lock)
  }

  /** Entries that show a page of the file. No lock: the host's page cache finds them by itself. */
  #entriesOf(inode: number, pgoff: number, copies: boolean): number[] {
    const entries: number[] = []
    for (let vma = 1; vma <= this.vmas.highest; vma++) {
      if (!this.vmas.isLive(vma) || this.vmas.inodeOf(vma) !== inode) continue
      if (copies || this.words.get(this.pteCell(vma, pgoff)) !== Pte.Copy) entries.push(this.pteCell(vma, pgoff))
    }
    return entries
  }

  #drop(vma: number, pgoff: number, copies = false): void {
    if (this.vmas.isAsync(vma)) {
      this.#change(vma, pgoff, (pte) => (pte === Pte.Protected || pte === Pte.Marker ? Pte.Marker : Pte.Absent))
    } else if (copies || this.pte(vma, pgoff) !== Pte.Copy) this.#set(vma, pgoff, Pte.Absent)
  }

  /** In one step, as the host changes an entry: a store of another thread, which changes it too, is before or after. */
  #change(vma: number, pgoff: number, to: (pte: number) => Pte): void {
    const cell = this.pteCell(vma, pgoff)
    asOneStep(this.words, [cell], [cell], () => {
      this.words.store(cell, to(this.words.load(cell)))
    })
  }

  #set(vma: number, pgoff: number, pte: Pte): void {
    const shared = (this.vmas.flagsOf(vma) & VmaFlag.Shared) !== 0
    // A private mapping shows the file read-only, whatever it is asked for.
    this.words.store(this.pteCell(vma, pgoff), !shared && pte === Pte.Writable ? Pte.Protected : pte)
  }

  #copyBytes(vma: number, pgoff: number): Uint8Array {
    const at = this.#at(vma, pgoff) * Page.Size
    return this.#copies.subarray(at, at + Page.Size)
  }

  pteCell(vma: number, pgoff: number): number {
    return this.cells + this.#at(vma, pgoff)
  }

  copyCell(vma: number, pgoff: number): number {
    return this.cells + this.#all + this.#at(vma, pgoff)
  }

  #at(vma: number, pgoff: number): number {
    return (vma - 1) * this.media.pages + pgoff
  }
}

function isAbsent(pte: number): boolean {
  return pte === Pte.Absent || pte === Pte.Marker
}

function nameOf(source: PageSource): string {
  return source === PageSource.Zero ? 'zero' : 'media'
}
