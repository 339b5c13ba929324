/**
 * The inode table: one record for each open file, with its address space (the kernel's i_mapping).
 *
 *   record   128 words, see InodeWord; zero memory is a valid empty table
 *   id       1-based, and the "mapping" of wait keys, range slots and the reverse map
 *   life     free → loading → live → dropping → free. References are open files plus mappings plus who walks over all
 *            files; the last one may keep the record while it holds unwritten data (fs/inode-cache.ts)
 *
 * Which lock guards which word:
 *   Rwsem       i_rwsem: size changes, read and write (outermost)
 *   RangeLock   invalidate_lock: no fault while pages leave the file
 *   Sync        one data sync at a time: a second fsync may not return before the first has written (see writeback.ts)
 *   Blocks      ilock: BlockRoot, UnfencedRoot
 *   Pages       i_pages: TreeRoot and everything below, entry words (leaf). Type-stable: never reset, so that it can
 *               be taken on the word of the reverse map, whatever has become of the file (dax/memory-failure.ts)
 *   Mmap        i_mmap: MmapHead and the NextInFile links (leaf)
 *   Copies      the page-table lock of private mappings: a page becoming a copy against one being dropped (leaf)
 *   Size…       written under Rwsem and the exclusive range; read anywhere through sizeOf (two words, see there)
 */
import { assert } from '../assert.js'
import { Page } from '../constants.js'
import { RadixTree } from '../tree/radix-tree.js'
import { RangeLockWord } from '../sync/range-lock.js'
import { RwSemaphoreWord } from '../sync/rw-semaphore.js'
import type { SharedWords } from '../sync/shared-words.js'
import { getNumber, loadNumber, setNumber, storeNumber } from '../sync/wide.js'

export const enum InodeState {
  Free = 0,
  Loading = 1,
  Live = 2,
  /** What it has is being given back. A thread terminated meanwhile leaves the rest to unmount. */
  Dropping = 3,
}

export const enum InodeFlag {
  /** Written since the last complete sync (mark_inode_dirty; S1.10: only when really dirtying). */
  Dirty = 1,
  /** Its name was removed or taken over: gone with the last reference. */
  Unlinked = 2,
  /** Media could only be opened for reading. */
  ReadOnly = 8,
  /** Blocks were allocated or converted since the last sync: what MAP_SYNC has to commit. */
  MetadataDirty = 4,
  /** Somebody is committing them: not done before this goes. */
  MetadataCommitting = 16,
  /** Media has a note of blocks without data (media/host-file-blocks.ts). */
  Noted = 32,
  /** It has, or had while it was open, memory errors: only then anybody looks for them (dax/bad-blocks.ts). */
  BadBlocks = 64,
  /** Media is longer than the file, since it could not be cut (fs/media-size.ts). */
  MediaLong = 128,
}

export const enum InodeWord {
  State = 0,
  References = 1,
  Flags = 2,
  /** Bumped for each writeback error; open files report what is newer than what they saw (errseq). */
  ErrorSequence = 3,
  ErrorNumber = 4,
  /** How often mtime and ctime, and ctime alone, were set: two changes within a clock tick can be told apart. */
  ModifiedCount = 5,
  ChangedCount = 19,
  Rwsem = 6,
  RangeLock = 8,
  Sync = 11,
  Blocks = 12,
  Pages = 13,
  Mmap = 14,
  MmapHead = 15,
  /** How many of the mappings are private: without one, unmapping needs no care for copies. */
  PrivateMaps = 16,
  BlockRoot = 17,
  UnfencedRoot = 18,
  TreeRoot = 20,
  /** A seqlock over the two words of the size: odd while they change. */
  SizeSequence = 32,
  Copies = 33,
  Size = 34,
  CacheFd = 36,
  MediaFd = 37,
  CacheBase = 38,
  MediaBase = 40,
  /** Bytes of address space behind CacheBase and MediaBase: the file cannot grow past them while it is open. */
  Reserve = 42,
  /** Times of the last change, ms since 1970: written by whoever changes them, read anywhere. */
  ModifiedTime = 44,
  ChangedTime = 46,
  NameLength = 48,
  /** UTF-8, 255 bytes, four to a word. */
  Name = 49,
  /** Index of the last page, NO_PAGES for an empty file: what each fault asks, in one load. */
  LastPage = 113,
  /** How many of the mappings are tracked asynchronously: without one, entries know of every store. */
  AsyncMaps = 114,
  RecordSize = 128,
}

export const NAME_BYTES_MAX = 255

/** Also the index of the last page there can be, so who finds it looks at the size. */
const NO_PAGES = 0xffffffff

export class InodeTable {
  static wordsFor(capacity: number): number {
    return capacity * InodeWord.RecordSize
  }

  constructor(
    private readonly words: SharedWords,
    private readonly base: number,
    readonly capacity: number,
  ) {
    const apart =
      InodeWord.RangeLock - InodeWord.Rwsem >= RwSemaphoreWord.Size &&
      InodeWord.Sync - InodeWord.RangeLock >= RangeLockWord.Size &&
      InodeWord.SizeSequence - InodeWord.TreeRoot >= RadixTree.ROOT_WORDS
    assert(apart, 'words of an inode overlap')
  }

  /** Word address of a record. */
  at(id: number): number {
    return this.base + (id - 1) * InodeWord.RecordSize
  }

  /** The record that a word is in. */
  ofWord(at: number): number {
    return Math.floor((at - this.base) / InodeWord.RecordSize) + 1
  }

  isFree(id: number): boolean {
    return this.words.load(this.at(id) + InodeWord.State) === InodeState.Free
  }

  isLive(id: number): boolean {
    return this.words.load(this.at(id) + InodeWord.State) === InodeState.Live
  }

  /** Bytes (i_size). Context: any lock or none; a reader racing with a change sees the old or the new size. */
  sizeOf(id: number): number {
    const at = this.at(id)
    for (;;) {
      const sequence = this.words.load(at + InodeWord.SizeSequence)
      const size = loadNumber(this.words, at + InodeWord.Size)
      if ((sequence & 1) === 0 && this.words.load(at + InodeWord.SizeSequence) === sequence) return size
    }
  }

  /** Context: caller holds i_rwsem exclusively. */
  setSize(id: number, size: number): void {
    const at = this.at(id)
    this.words.add(at + InodeWord.SizeSequence, 1)
    storeNumber(this.words, at + InodeWord.Size, size)
    this.words.store(at + InodeWord.LastPage, Math.ceil(size / Page.Size) - 1)
    this.words.add(at + InodeWord.SizeSequence, 1)
  }

  /** Pages that lie at least partly inside the file. */
  pagesOf(id: number): number {
    return Math.ceil(this.sizeOf(id) / Page.Size)
  }

  /** Whether a page lies at least partly inside the file. Context: as sizeOf. */
  hasPage(id: number, pgoff: number): boolean {
    const last = this.words.load(this.at(id) + InodeWord.LastPage) >>> 0
    return last === NO_PAGES ? pgoff < this.pagesOf(id) : pgoff <= last
  }

  /** Words set once while the inode is loading, constant while it is live. */
  number(id: number, word: InodeWord): number {
    return getNumber(this.words, this.at(id) + word)
  }

  setNumber(id: number, word: InodeWord, value: number): void {
    setNumber(this.words, this.at(id) + word, value)
  }

  word(id: number, word: InodeWord): number {
    return this.words.load(this.at(id) + word)
  }

  setWord(id: number, word: InodeWord, value: number): void {
    this.words.store(this.at(id) + word, value)
  }

  setFlags(id: number, flags: InodeFlag): void {
    this.words.or(this.at(id) + InodeWord.Flags, flags)
  }

  clearFlags(id: number, flags: InodeFlag): void {
    this.words.and(this.at(id) + InodeWord.Flags, ~flags)
  }

  hasFlags(id: number, flags: InodeFlag): boolean {
    return (this.words.load(this.at(id) + InodeWord.Flags) & flags) === flags
  }

  /** file_update_time: mtime and ctime. */
  touchTimes(id: number, modified = true): void {
    const { words } = this
    const at = this.at(id)
    const now = Date.now()
    // Once a millisecond is enough. Plain reads: what another thread is storing now is the present time too.
    if (modified && getNumber(words, at + InodeWord.ModifiedTime) !== now) {
      storeNumber(words, at + InodeWord.ModifiedTime, now)
    }
    if (getNumber(words, at + InodeWord.ChangedTime) !== now) storeNumber(words, at + InodeWord.ChangedTime, now)
    words.add(at + (modified ? InodeWord.ModifiedCount : InodeWord.ChangedCount), 1)
  }

  /** mapping_set_error: remember a failed writeback for every open file to report once. */
  recordError(id: number, errno: number): void {
    this.words.store(this.at(id) + InodeWord.ErrorNumber, errno)
    this.words.add(this.at(id) + InodeWord.ErrorSequence, 1)
  }

  nameOf(id: number): string {
    const at = this.at(id)
    const length = this.words.get(at + InodeWord.NameLength)
    const bytes = new Uint8Array(length)
    for (let i = 0; i < length; i++) bytes[i] = this.words.get(at + InodeWord.Name + (i >> 2)) >>> ((i & 3) * 8)
    return new TextDecoder().decode(bytes)
  }

  /** Context: caller holds the table's mutex; bytes were checked against NAME_BYTES_MAX. */
  setName(id: number, bytes: Uint8Array): void {
    const at = this.at(id)
    this.words.set(at + InodeWord.NameLength, bytes.length)
    for (let i = 0; i < bytes.length; i += 4) {
      let word = 0
      for (let j = 0; j < 4; j++) word |= (bytes[i + j] ?? 0) << (j * 8)
      this.words.set(at + InodeWord.Name + (i >> 2), word)
    }
  }
}
