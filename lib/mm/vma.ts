/**
 * The table of mappings (VMAs).
 *
 *   record   16 words, see VmaWord; zero memory is a valid empty table
 *   life     free → live → dying → free
 *   users    faults being served on the mapping. munmap marks it dying (no new user) and waits for the last one, so a
 *            fault never resolves into an address that has become something else. Users is the wait word
 *   file     mappings of one file are linked from its MmapHead (i_mmap), guarded by its Mmap mutex
 *
 * Faults find their mapping by address. Each thread remembers which VMA served which 2 MiB of address space; a hit is
 * verified after the user count was raised, so a stale memory is harmless. A miss scans the table.
 */
import { BugError, assert } from '../assert.js'
import { Page } from '../constants.js'
import { PmemError } from '../errors.js'
import { mutexLock, mutexUnlock } from '../sync/mutex.js'
import type { SharedWords } from '../sync/shared-words.js'
import { getNumber, storeNumber } from '../sync/wide.js'
import { type InodeTable, InodeWord } from './inode.js'

export const enum VmaState {
  Free = 0,
  Live = 1,
  Dying = 2,
}

export const enum VmaFlag {
  /** Stores reach the file (VM_SHARED): not set for MAP_SHARED of a file opened for reading. */
  Shared = 1,
  Read = 2,
  Write = 4,
  Sync = 8,
  /** madvise(MADV_NOHUGEPAGE): no 2 MiB faults. */
  NoHuge = 16,
  Exec = 32,
  /** MAP_SHARED was asked for (VM_MAYSHARE). */
  MayShare = 64,
  /** mprotect may make it writable (VM_MAYWRITE). */
  MayWrite = 128,
  // Remembered because mappings that differ in them are never joined.
  NoReserve = 256,
  Random = 512,
  Sequential = 1024,
  DontFork = 2048,
  DontDump = 4096,
  /** The host notes first stores, no fault does (dax/collect-stores.ts): shared, not Sync, chosen when it is made. */
  Async = 8192,
}

export const enum VmaWord {
  State = 0,
  Users = 1,
  Inode = 2,
  Flags = 3,
  /** First page of the file that is mapped. */
  Pgoff = 4,
  Pages = 5,
  NextInFile = 6,
  Address = 8,
  /** Which open file it was made through: only mappings of one open file are ever joined. */
  File = 10,
  Size = 16,
}

const enum TableWord {
  Mutex = 0,
  Highest = 1,
  Size = 2,
}

export interface NewVma {
  readonly inode: number
  readonly flags: number
  readonly pgoff: number
  readonly pages: number
  readonly address: number
  /** Default 0. */
  readonly file?: number
}

const CACHE_SLOTS = 1024

export class VmaTable {
  static wordsFor(capacity: number): number {
    return TableWord.Size + capacity * VmaWord.Size
  }

  /** Which VMA last served a 2 MiB of addresses: a hint of this thread, never trusted. */
  readonly #hints = new Int32Array(CACHE_SLOTS)

  constructor(
    private readonly words: SharedWords,
    private readonly base: number,
    readonly capacity: number,
    private readonly inodes: InodeTable,
  ) {}

  at(id: number): number {
    return this.base + TableWord.Size + (id - 1) * VmaWord.Size
  }

  get highest(): number {
    return this.words.load(this.base + TableWord.Highest)
  }

  inodeOf(id: number): number {
    return this.words.get(this.at(id) + VmaWord.Inode)
  }

  flagsOf(id: number): number {
    return this.words.get(this.at(id) + VmaWord.Flags)
  }

  /** Are first stores through it noted by the host alone (VmaFlag.Async)? */
  isAsync(id: number): boolean {
    return (this.flagsOf(id) & VmaFlag.Async) !== 0
  }

  pgoffOf(id: number): number {
    return this.words.get(this.at(id) + VmaWord.Pgoff) >>> 0
  }

  pagesOf(id: number): number {
    return this.words.get(this.at(id) + VmaWord.Pages) >>> 0
  }

  addressOf(id: number): number {
    return getNumber(this.words, this.at(id) + VmaWord.Address)
  }

  /** Virtual address of a page of the file in this mapping. */
  addressOfPage(id: number, pgoff: number): number {
    return this.addressOf(id) + (pgoff - this.pgoffOf(id)) * Page.Size
  }

  /**
   * Enter a mapping and link it to its file. From here on faults on it are served and writeback protects it.
   * Errors: ENOMEM when `maxMappings` are in use.
   * Context: caller holds a reference on the inode; takes the table mutex and the file's Mmap mutex.
   */
  insert(vma: NewVma): number {
    const { words } = this
    mutexLock(words, this.base + TableWord.Mutex)
    const id = this.#free()
    if (id === 0) {
      mutexUnlock(words, this.base + TableWord.Mutex)
      throw new PmemError(
        'ENOMEM',
        'mmap',
        `all ${this.capacity} mapping records are in use (mount option maxMappings)`,
      )
    }
    const at = this.at(id)
    words.set(at + VmaWord.Inode, vma.inode)
    words.set(at + VmaWord.Flags, vma.flags)
    words.set(at + VmaWord.Pgoff, vma.pgoff | 0)
    words.set(at + VmaWord.Pages, vma.pages | 0)
    words.set(at + VmaWord.File, vma.file ?? 0)
    storeNumber(words, at + VmaWord.Address, vma.address)
    this.#link(id)
    words.store(at + VmaWord.State, VmaState.Live)
    if (id > this.highest) words.store(this.base + TableWord.Highest, id)
    mutexUnlock(words, this.base + TableWord.Mutex)
    return id
  }

  /** First address behind the mapping. */
  endOf(id: number): number {
    return this.addressOf(id) + this.pagesOf(id) * Page.Size
  }

  isLive(id: number): boolean {
    return this.words.load(this.at(id) + VmaWord.State) === VmaState.Live
  }

  /**
   * Move the end, in one store: faults being served see the old or the new one. Who makes it shorter enters a mapping
   * of the rest first, who makes it longer has the addresses mapped already: at no moment is a mapped page in no
   * record, so that no writeback misses one. Context: the address space is locked.
   */
  setPages(id: number, pages: number): void {
    this.words.store(this.at(id) + VmaWord.Pages, pages | 0)
  }

  /** Context: the address space is locked; Shared, MayShare, Sync and Async never change. */
  setFlags(id: number, flags: number): void {
    this.words.store(this.at(id) + VmaWord.Flags, flags)
  }

  fileOf(id: number): number {
    return this.words.get(this.at(id) + VmaWord.File)
  }

  /**
   * Take the mapping out of service. The caller unmaps the addresses, then calls release.
   * Context: may sleep until faults being served on it are done.
   * Return: false when someone else is unmapping it already.
   */
  retire(id: number): boolean {
    const at = this.at(id)
    if (this.words.cas(at + VmaWord.State, VmaState.Live, VmaState.Dying) !== VmaState.Live) return false
    for (let users = this.words.load(at + VmaWord.Users); users !== 0; users = this.words.load(at + VmaWord.Users)) {
      this.words.wait(at + VmaWord.Users, users)
    }
    this.#unlink(id)
    return true
  }

  /** Give the record back. Context: after retire, with the addresses unmapped. */
  release(id: number): void {
    assert(this.words.load(this.at(id) + VmaWord.State) === VmaState.Dying, 'release of a mapping in service', { id })
    this.words.store(this.at(id) + VmaWord.State, VmaState.Free)
  }

  /**
   * Find the mapping of an address and become one of its users.
   * Context: never sleeps. Return: id, or 0 when nothing is mapped there (any more).
   */
  acquire(address: number): number {
    const slot = Math.floor(address / Page.PmdSize) % CACHE_SLOTS
    const hint = this.#hints[slot] as number
    if (hint !== 0 && this.#use(hint, address)) return hint
    for (let id = 1; id <= this.highest; id++) {
      if (this.words.load(this.at(id) + VmaWord.State) !== VmaState.Live) continue
      if (!this.#use(id, address)) continue
      this.#hints[slot] = id
      return id
    }
    return 0
  }

  /** Stop being a user. Context: never sleeps. */
  unuse(id: number): void {
    const at = this.at(id)
    const before = this.words.add(at + VmaWord.Users, -1)
    if (before <= 0) throw new BugError('unuse of a mapping not in use', { id, before })
    // Retire marks the mapping before it looks at the count: who still sees it live here is not waited for.
    if (before === 1 && this.words.load(at + VmaWord.State) !== VmaState.Live) this.words.notify(at + VmaWord.Users)
  }

  /** First mapping of the file; follow with nextInFile. Context: caller holds the file's Mmap mutex. */
  firstInFile(inode: number): number {
    return this.words.get(this.inodes.at(inode) + InodeWord.MmapHead)
  }

  nextInFile(id: number): number {
    return this.words.get(this.at(id) + VmaWord.NextInFile)
  }

  /** Raise the user count, then look whether it is (still) what we want: the order retire relies on. */
  #use(id: number, address: number): boolean {
    const at = this.at(id)
    this.words.add(at + VmaWord.Users, 1)
    if (this.words.load(at + VmaWord.State) === VmaState.Live) {
      // Plain: written before the state became Live, and not again while we are a user.
      const offset = address - this.addressOf(id)
      if (offset >= 0 && offset < this.pagesOf(id) * Page.Size) return true
    }
    this.unuse(id)
    return false
  }

  /** Context: table mutex held. A record still counted by a looker-on is not free yet. */
  #free(): number {
    for (let id = 1; id <= this.capacity; id++) {
      const at = this.at(id)
      if (this.words.load(at + VmaWord.State) === VmaState.Free && this.words.load(at + VmaWord.Users) === 0) return id
    }
    return 0
  }

  #link(id: number): void {
    const inode = this.inodes.at(this.inodeOf(id))
    mutexLock(this.words, inode + InodeWord.Mmap)
    this.words.set(this.at(id) + VmaWord.NextInFile, this.words.get(inode + InodeWord.MmapHead))
    this.words.set(inode + InodeWord.MmapHead, id)
    if ((this.flagsOf(id) & VmaFlag.Shared) === 0) this.words.add(inode + InodeWord.PrivateMaps, 1)
    if ((this.flagsOf(id) & VmaFlag.Async) !== 0) this.words.add(inode + InodeWord.AsyncMaps, 1)
    mutexUnlock(this.words, inode + InodeWord.Mmap)
  }

  #unlink(id: number): void {
    const inode = this.inodes.at(this.inodeOf(id))
    mutexLock(this.words, inode + InodeWord.Mmap)
    let link = inode + InodeWord.MmapHead
    while (this.words.get(link) !== id) link = this.at(this.words.get(link)) + VmaWord.NextInFile
    this.words.set(link, this.nextInFile(id))
    if ((this.flagsOf(id) & VmaFlag.Shared) === 0) this.words.add(inode + InodeWord.PrivateMaps, -1)
    if ((this.flagsOf(id) & VmaFlag.Async) !== 0) this.words.add(inode + InodeWord.AsyncMaps, -1)
    mutexUnlock(this.words, inode + InodeWord.Mmap)
  }
}
