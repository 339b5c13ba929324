/**
 * The page frames of the emulated device: which are in use, by whom, and which are poisoned.
 *
 *   header  ┌ mutex ┬ free pages ┬ reserved pages ┬ rotor ┬ wholly free groups ┐           5 words
 *   used    pages in use in each group of 512                                              1 word a group
 *   bitmap  bit set: page in use                                                           1 bit a page
 *   poison  page-poison.ts                                                                 11 bits a page
 *   owners  page-owners.ts                                                                 2 words a page
 *
 *   owner   initialise() once, by the mount, on zeroed memory; it touches the header only (so `used` counts pages in
 *           use, not free ones)
 *   pages   free → allocated → free. A page is an identity, not a place: data stay at their offset in the host file
 *   sums    free + reserved + allocated = capacity. Reserved pages are blocks of files that were not opened yet: they
 *           take room but have no number; allocateReserved turns one into an allocated page, freeReserved back
 *   locks   the mutex (a leaf lock, also the wait word) guards header, used and bitmap; owners are guarded by the entry
 *           lock of the page and poison by nothing (see there)
 *
 * Numbers start at 512, so that pfn % 512 is the place in an aligned 2 MiB group and 0 never names a page.
 */
import { assert } from '../assert.js'
import { Page, PFN_LIMIT } from '../constants.js'
import { ErrorNumber, type Errno } from '../errors.js'
import { mutexLock, mutexUnlock } from '../sync/mutex.js'
import type { SharedWords } from '../sync/shared-words.js'
import { bitmapWords, clearBits, countBits, firstClearBit, setBits } from './bitmap.js'
import { PageOwners, type PageOwner } from './page-owners.js'
import { PagePoison, WHOLE_PAGE } from './page-poison.js'

const enum Header {
  Mutex = 0,
  Free = 1,
  Reserved = 2,
  /** The group where a page without a neighbour was last placed; the next search begins here. */
  Rotor = 3,
  EmptyGroups = 4,
  Words = 5,
}

/** The count that pages are taken from or given back to. */
type Budget = Header.Free | Header.Reserved

export const FIRST_PFN: number = Page.PmdPages

export class PfnAllocator {
  readonly capacityPages: number
  readonly #words: SharedWords
  readonly #groups: number
  readonly #header: number
  readonly #used: number
  readonly #bitmap: number
  readonly #poison: PagePoison
  readonly #owners: PageOwners

  static wordsFor(capacityPages: number): number {
    const groups = Math.ceil(capacityPages / Page.PmdPages)
    const bits = bitmapWords(capacityPages) + PagePoison.wordsFor(capacityPages)
    return Header.Words + groups + bits + PageOwners.wordsFor(capacityPages)
  }

  constructor(words: SharedWords, base: number, capacityPages: number) {
    assert(Number.isInteger(capacityPages) && capacityPages > 0, 'a device has pages', { capacityPages })
    assert(capacityPages <= PFN_LIMIT - FIRST_PFN, 'more pages than page frame numbers', { capacityPages })
    assert(base + PfnAllocator.wordsFor(capacityPages) <= words.length, 'pfn allocator outside the shared words')
    this.capacityPages = capacityPages
    this.#words = words
    this.#groups = Math.ceil(capacityPages / Page.PmdPages)
    this.#header = base
    this.#used = base + Header.Words
    this.#bitmap = this.#used + this.#groups
    const poison = this.#bitmap + bitmapWords(capacityPages)
    this.#poison = new PagePoison(words, poison, capacityPages)
    this.#owners = new PageOwners(words, poison + PagePoison.wordsFor(capacityPages), FIRST_PFN)
  }

  /** Context: once per mount, before any other thread knows of the allocator. */
  initialise(): void {
    this.#words.set(this.#header + Header.Mutex, 0)
    this.#words.store(this.#header + Header.Free, this.capacityPages)
    this.#words.store(this.#header + Header.Reserved, 0)
    this.#words.set(this.#header + Header.Rotor, 0)
    this.#words.set(this.#header + Header.EmptyGroups, this.#groups)
  }

  /** Pages that can still be allocated or reserved. Context: no lock; may be old when it arrives. */
  get freePages(): number {
    return this.#words.load(this.#header + Header.Free)
  }

  get reservedPages(): number {
    return this.#words.load(this.#header + Header.Reserved)
  }

  /**
   * One page: `goal` when it is free; else place `offset` of a wholly free group, so that the other pages of its 2 MiB
   * can follow around it; else any. A goal that is no page frame number (0 .. 511) only says the offset.
   *
   * Return: the pfn, or 0 when the device is full.
   * Context: takes the mutex; any thread.
   */
  allocate(goal: number, offset = goal % Page.PmdPages): number {
    return this.#allocate(1, goal, offset, Header.Free)
  }

  /** As allocate, for a page that was reserved before. Never 0: a reservation is a promise. */
  allocateReserved(goal: number, offset = goal % Page.PmdPages): number {
    return this.#allocate(1, goal, offset, Header.Reserved)
  }

  /**
   * `count` neighbouring pages that begin at `offset` of a group and end in it: at `goal` when that is possible, else
   * in a wholly free group, else wherever they fit.
   *
   * Return: the first pfn, or 0 when there is no such run.
   */
  allocateRun(count: number, offset: number, goal = 0): number {
    return this.#allocate(count, goal, offset, Header.Free)
  }

  /** As allocateRun, for pages that were reserved before. Return: 0 when they must be taken one by one. */
  allocateReservedRun(count: number, offset: number, goal = 0): number {
    return this.#allocate(count, goal, offset, Header.Reserved)
  }

  /**
   * Give pages back, which may cross groups. They must be allocated and without an owner: the entry goes before the
   * block (K84).
   */
  free(pfn: number, count: number): void {
    this.#free(pfn, count, Header.Free)
  }

  /** Give the numbers back but keep the room: the blocks of a file that is closed. */
  freeReserved(pfn: number, count: number): void {
    this.#free(pfn, count, Header.Reserved)
  }

  /** Set room aside for `pages` blocks. Return: 0, or -ENOSPC. */
  reserve(pages: number): Errno {
    return this.#move(pages, Header.Free, Header.Reserved) ? 0 : -ErrorNumber.ENOSPC
  }

  unreserve(pages: number): void {
    assert(this.#move(pages, Header.Reserved, Header.Free), 'more pages unreserved than were reserved', { pages })
  }

  /** K54. Context: the caller holds the entry lock; when it replaces a page it disassociates the old one first. */
  associate(pfn: number, mapping: number, pgoff: number, count = 1): void {
    this.#checkRange(pfn, count)
    this.#owners.associate(pfn, mapping, pgoff, count)
  }

  /** Context: the caller holds the entry lock. */
  disassociate(pfn: number, count = 1): void {
    this.#checkRange(pfn, count)
    this.#owners.disassociate(pfn, count)
  }

  /** Return: true with the owner in `owner`; false for a page without one and for a number that names no page. */
  ownerOf(pfn: number, owner: PageOwner): boolean {
    return this.#isPfn(pfn) && this.#owners.ownerOf(pfn, owner)
  }

  /**
   * Are all of `count` pages from `pfn` on allocated? Context: no lock: true of pages the caller keeps from being
   * freed.
   */
  isAllocated(pfn: number, count: number): boolean {
    if (!this.#isPfn(pfn) || !this.#isPfn(pfn + count - 1)) return false
    return countBits(this.#words, this.#bitmap, pfn - FIRST_PFN, pfn - FIRST_PFN + count) === count
  }

  /**
   * Blocks of 512 bytes of a page go bad (bit i: block i). They stay so until a repair clears them (K108), or until the
   * page is allocated anew: a file system zeroes new blocks through the driver, which repairs them.
   * latent: nobody knows until somebody comes across it.
   * Context: no lock; any thread.
   */
  setPoison(pfn: number, blocks = WHOLE_PAGE, latent = false): void {
    this.#checkRange(pfn, 1)
    this.#poison.set(pfn - FIRST_PFN, blocks, latent)
  }

  /** Repair blocks of a page. Return: those that were bad. Context: one repair of a page at a time (page-poison.ts). */
  clearPoison(pfn: number, blocks = WHOLE_PAGE): number {
    this.#checkRange(pfn, 1)
    return this.#poison.clear(pfn - FIRST_PFN, blocks)
  }

  /** Is there an error in the page, latent or known? Return: false too for a number that names no page. */
  isPoisoned(pfn: number): boolean {
    return this.#isPfn(pfn) && this.#poison.has(pfn - FIRST_PFN)
  }

  /** Is there an error in the page that was found? */
  isKnownBad(pfn: number): boolean {
    return this.isPoisoned(pfn) && !this.#poison.isLatent(pfn - FIRST_PFN)
  }

  /** Someone came across the errors of a page. Return: true to the first who comes across latent ones. */
  revealPoison(pfn: number): boolean {
    return this.isPoisoned(pfn) && this.#poison.reveal(pfn - FIRST_PFN)
  }

  /** A sync says that stores to a bad page are lost: until it is sound there is nothing more to say of it. */
  tellLost(pfn: number): void {
    if (this.isPoisoned(pfn)) this.#poison.tell(pfn - FIRST_PFN)
  }

  /** Is the page bad, and has no sync said so yet? */
  isUntold(pfn: number): boolean {
    return this.isPoisoned(pfn) && !this.#poison.isTold(pfn - FIRST_PFN)
  }

  /** Bad blocks of 512 bytes: bit i is block i of the page. */
  badBlocksOf(pfn: number): number {
    return this.#isPfn(pfn) ? this.#poison.blocksOf(pfn - FIRST_PFN) : 0
  }

  /** Return: the first of `count` pages from `pfn` on that has an error, or 0. */
  nextPoisoned(pfn: number, count: number): number {
    const page = this.#poison.next(pfn - FIRST_PFN, pfn - FIRST_PFN + count)
    return page < 0 ? 0 : page + FIRST_PFN
  }

  /** Is any of `count` pages from `pfn` on poisoned? */
  anyPoisoned(pfn: number, count: number): boolean {
    return this.nextPoisoned(pfn, count) !== 0
  }

  /** Throws BugError unless counts and bitmap agree. Context: takes the mutex for the whole device: for tests. */
  verify(): void {
    const words = this.#words
    mutexLock(words, this.#header + Header.Mutex)
    try {
      let allocated = 0
      let empty = 0
      for (let group = 0; group < this.#groups; group++) {
        const first = group * Page.PmdPages
        const used = countBits(words, this.#bitmap, first, first + this.#sizeOf(group))
        const counted = words.get(this.#used + group)
        assert(used === counted, 'pages in use miscounted', { group, used, counted })
        allocated += used
        if (used === 0) empty++
      }
      const sums = { allocated, empty, free: this.freePages, reserved: this.reservedPages }
      assert(sums.free >= 0 && sums.reserved >= 0, 'negative count of pages', sums)
      assert(allocated + sums.free + sums.reserved === this.capacityPages, 'pages do not add up', sums)
      assert(empty === words.get(this.#header + Header.EmptyGroups), 'wholly free groups miscounted', sums)
    } finally {
      mutexUnlock(words, this.#header + Header.Mutex)
    }
  }

  #allocate(count: number, goal: number, offset: number, budget: Budget): number {
    assert(count >= 1 && offset >= 0 && offset <= Page.PmdPages - count, 'run outside a 2 MiB group', { count, offset })
    const words = this.#words
    mutexLock(words, this.#header + Header.Mutex)
    try {
      const left = words.get(this.#header + budget)
      if (left < count) {
        assert(budget === Header.Free, 'more pages taken than were reserved', { count, left })
        return 0
      }
      const bit = this.#choose(count, goal, offset)
      if (bit < 0) return 0
      const group = Math.floor(bit / Page.PmdPages)
      const used = words.get(this.#used + group)
      if (used === 0) words.set(this.#header + Header.EmptyGroups, words.get(this.#header + Header.EmptyGroups) - 1)
      words.set(this.#used + group, used + count)
      setBits(words, this.#bitmap, bit, bit + count)
      words.store(this.#header + budget, left - count)
      this.#poison.clearRange(bit, bit + count)
      return FIRST_PFN + bit
    } finally {
      mutexUnlock(words, this.#header + Header.Mutex)
    }
  }

  /** Return: the first bit of a free run of `count`, or -1. Context: the mutex is held. */
  #choose(count: number, goal: number, offset: number): number {
    if (goal % Page.PmdPages <= Page.PmdPages - count && this.#isFree(goal - FIRST_PFN, count)) return goal - FIRST_PFN
    const words = this.#words
    const rotor = words.get(this.#header + Header.Rotor)
    // Two rounds from the rotor on, first for wholly free groups only.
    const rounds = words.get(this.#header + Header.EmptyGroups) === 0 ? 1 : 0
    for (let round = rounds; round < 2; round++) {
      for (let step = 0; step < this.#groups; step++) {
        const group = (rotor + step) % this.#groups
        const bit = round === 0 ? this.#inEmptyGroup(group, count, offset) : this.#inGroup(group, count, offset)
        if (bit < 0) continue
        words.set(this.#header + Header.Rotor, group)
        return bit
      }
    }
    return -1
  }

  #inEmptyGroup(group: number, count: number, offset: number): number {
    if (this.#words.get(this.#used + group) !== 0 || offset + count > this.#sizeOf(group)) return -1
    return group * Page.PmdPages + offset
  }

  #inGroup(group: number, count: number, offset: number): number {
    const size = this.#sizeOf(group)
    if (this.#words.get(this.#used + group) > size - count) return -1
    const first = group * Page.PmdPages
    if (this.#isFree(first + offset, count)) return first + offset
    return count === 1 ? firstClearBit(this.#words, this.#bitmap, first, first + size) : -1
  }

  #isFree(bit: number, count: number): boolean {
    if (bit < 0 || bit + count > this.capacityPages) return false
    return countBits(this.#words, this.#bitmap, bit, bit + count) === 0
  }

  #free(pfn: number, count: number, budget: Budget): void {
    this.#checkRange(pfn, count)
    assert(!this.#owners.isAnyOwned(pfn, count), 'page freed while an entry maps it', { pfn, count })
    const end = pfn - FIRST_PFN + count
    let bit = pfn - FIRST_PFN
    // A group at a time, so that the free of a large file does not keep every other thread out.
    while (bit < end) {
      const pages = Math.min(end - bit, Page.PmdPages - (bit % Page.PmdPages))
      this.#freeInGroup(bit, pages, budget)
      bit += pages
    }
  }

  #freeInGroup(bit: number, count: number, budget: Budget): void {
    const words = this.#words
    mutexLock(words, this.#header + Header.Mutex)
    try {
      const allocated = countBits(words, this.#bitmap, bit, bit + count)
      assert(allocated === count, 'free of pages that are not allocated', { pfn: FIRST_PFN + bit, count, allocated })
      const group = Math.floor(bit / Page.PmdPages)
      const used = words.get(this.#used + group) - count
      clearBits(words, this.#bitmap, bit, bit + count)
      words.set(this.#used + group, used)
      if (used === 0) words.set(this.#header + Header.EmptyGroups, words.get(this.#header + Header.EmptyGroups) + 1)
      words.store(this.#header + budget, words.get(this.#header + budget) + count)
    } finally {
      mutexUnlock(words, this.#header + Header.Mutex)
    }
  }

  #move(pages: number, from: Budget, to: Budget): boolean {
    assert(Number.isInteger(pages) && pages >= 0, 'a number of pages', { pages })
    const words = this.#words
    mutexLock(words, this.#header + Header.Mutex)
    const left = words.get(this.#header + from)
    const isEnough = pages <= left
    if (isEnough) {
      words.store(this.#header + from, left - pages)
      words.store(this.#header + to, words.get(this.#header + to) + pages)
    }
    mutexUnlock(words, this.#header + Header.Mutex)
    return isEnough
  }

  #sizeOf(group: number): number {
    return Math.min(Page.PmdPages, this.capacityPages - group * Page.PmdPages)
  }

  #isPfn(pfn: number): boolean {
    return pfn >= FIRST_PFN && pfn < FIRST_PFN + this.capacityPages
  }

  #checkRange(pfn: number, count: number): void {
    if (this.#isPfn(pfn) && count >= 1 && this.#isPfn(pfn + count - 1)) return
    assert(false, 'page frame number out of range', { pfn, count, capacityPages: this.capacityPages })
  }
}
