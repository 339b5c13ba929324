/**
 * The small machine of a harness as a scheduled thread sees it, and what is known of its words beforehand.
 *
 *   Ignored   times of inodes, and how often they were set: written by every store, read by nobody here
 *   Silent    the words of the port doubles: cells of memory, not of the kernel
 *   Sleep     what threads sleep on for long: wait records, range sequences, semaphores, users of a mapping
 *   Racy      plain accesses that compete on purpose:
 *             SharedFirst and SharedLast of a thread record: an exclusive side that saw the slot taken may read the
 *             range while its owner publishes the next one. Whatever it reads, the owner looks at the count of
 *             exclusive holders after that, and steps back
 */
import { InodeWord } from '../../lib/mm/inode.js'
import { VmaWord } from '../../lib/mm/vma.js'
import { RangeLockWord } from '../../lib/sync/range-lock.js'
import { ThreadWord } from '../../lib/sync/threads.js'
import { type SmallKernel, type SmallLayout, type SmallSizes, attachSmall, layoutOf } from '../support/small-kernel.js'
import type { SmallHandle } from '../support/small-kernel.js'
import { type Channel, WordFlag } from './control.js'
import { RaceDetector } from './race-detector.js'
import { ScheduledWords } from './scheduled-words.js'
import type { Turnstile } from './turnstile.js'
import { WatchedTree } from './watched-tree.js'

const THREAD_RECORDS: readonly (readonly [number, string])[] = [
  [ThreadWord.Wake, 'wake'],
  [ThreadWord.SharedInode, 'shared range'],
  [ThreadWord.ExclusiveInode, 'exclusive range'],
  [ThreadWord.PendingHead, 'pending lines'],
  [ThreadWord.EntryLocks, 'entry locks'],
]

const INODE_WORDS: readonly (readonly [number, string])[] = [
  [InodeWord.Flags, 'flags'],
  [InodeWord.Rwsem, 'i_rwsem'],
  [InodeWord.Rwsem + 1, 'writers of i_rwsem'],
  [InodeWord.RangeLock + RangeLockWord.Mutex, 'range mutex'],
  [InodeWord.RangeLock + RangeLockWord.Exclusive, 'exclusive count'],
  [InodeWord.RangeLock + RangeLockWord.Sequence, 'range sequence'],
  [InodeWord.Sync, 'Sync mutex'],
  [InodeWord.Blocks, 'ilock'],
  [InodeWord.Pages, 'i_pages'],
  [InodeWord.Mmap, 'i_mmap'],
  [InodeWord.SizeSequence, 'size sequence'],
]

/** Word addresses of thread records: Threads.at without an object. */
function threadAt(layout: SmallLayout, id: number): number {
  return layout.threads + 1 + (id - 1) * ThreadWord.Size
}

function inodeAt(layout: SmallLayout, id: number): number {
  return layout.inodes + (id - 1) * InodeWord.RecordSize
}

export function flagWords(flags: Int32Array, kernel: SmallKernel): void {
  const { layout } = kernel
  const { sizes } = kernel.handle
  const mark = (at: number, flag: number, count = 1): void => {
    for (let i = 0; i < count; i++) flags[at + i] = (flags[at + i] as number) | flag
  }
  mark(layout.cells, WordFlag.Silent, layout.words - layout.cells)
  for (let id = 1; id <= sizes.threads; id++) {
    mark(threadAt(layout, id) + ThreadWord.Wake, WordFlag.Sleep)
    mark(threadAt(layout, id) + ThreadWord.SharedFirst, WordFlag.Racy, 2)
  }
  for (let id = 1; id <= sizes.files; id++) {
    const inode = inodeAt(layout, id)
    mark(inode + InodeWord.ModifiedTime, WordFlag.Ignored, 4)
    mark(inode + InodeWord.ModifiedCount, WordFlag.Ignored)
    mark(inode + InodeWord.ChangedCount, WordFlag.Ignored)
    mark(inode + InodeWord.Rwsem, WordFlag.Sleep, 2)
    mark(inode + InodeWord.RangeLock + RangeLockWord.Sequence, WordFlag.Sleep)
  }
  for (let id = 1; id <= sizes.mappings; id++) mark(kernel.vmas.at(id) + VmaWord.Users, WordFlag.Sleep)
}

/** 'i_pages of inode 1': a word as people know it. */
export function nameOfWord(sizes: SmallSizes, at: number): string {
  const layout = layoutOf(sizes)
  if (at < layout.threads) return `scratch word ${at}`
  for (let id = 1; id <= sizes.threads; id++) {
    const word = at - threadAt(layout, id)
    if (word < 0 || word >= ThreadWord.Size) continue
    const name = THREAD_RECORDS.find(([offset]) => offset === word)?.[1] ?? `word ${word}`
    return `${name} of thread record ${id}`
  }
  for (let id = 1; id <= sizes.files; id++) {
    const word = at - inodeAt(layout, id)
    if (word < 0 || word >= InodeWord.RecordSize) continue
    const name = INODE_WORDS.find(([offset]) => offset === word)?.[1] ?? `word ${word}`
    return `${name} of inode ${id}`
  }
  const regions = Object.entries(layout).filter(([name]) => name !== 'words')
  const [name, base] = regions.reduce((best, region) => (region[1] <= at && region[1] >= best[1] ? region : best))
  return `word ${at - base} of ${name}`
}

/** Words for the owners of locks: one a word, then one for each entry a tree of the machine can have. */
export function ownersFor(sizes: SmallSizes): number {
  return layoutOf(sizes).words + sizes.files * sizes.pages
}

/** Where the owner of an entry is kept. */
export function placeOfEntry(sizes: SmallSizes): (root: number, index: number) => number {
  const layout = layoutOf(sizes)
  return (root, index) => {
    const inode = Math.floor((root - layout.inodes) / InodeWord.RecordSize)
    return layout.words + inode * sizes.pages + (index % sizes.pages)
  }
}

/** The machine through scheduled words; takes a thread record. */
export function attachScheduled(
  handle: SmallHandle,
  channel: Channel,
  turnstile: Turnstile,
  threads: number,
): { kernel: SmallKernel; races: RaceDetector } {
  const flags = new Int32Array(channel.flags)
  const owners = new Int32Array(channel.owners)
  const races = new RaceDetector(channel.clocks, turnstile.me, threads)
  const nameOf = (at: number): string => nameOfWord(handle.sizes, at)
  const words = new ScheduledWords(handle.words, turnstile, races, flags, owners, nameOf)
  const place = placeOfEntry(handle.sizes)
  const kernel = attachSmall(handle, words, (pool) => new WatchedTree(pool, turnstile, owners, place))
  words.entryLocksAt = kernel.threads.at(kernel.self) + ThreadWord.EntryLocks
  return { kernel, races }
}
