/**
 * The check of everything that should hold in a mount at a moment when nothing happens: what a kernel would call a
 * lockdep, a page-table check and an fsck in one.
 *
 *   each tree       links, counts, marks, orders; no locked entry; no dirt on what is not data (verify-file.ts)
 *   blocks          entries, extents, page frame numbers and their owners say the same
 *   page tables     what is mapped has an entry; what is writable has a DIRTY one (verify-mappings.ts)
 *   clean pages     the cache shows what media holds (verify-file.ts)
 *   pools           nodes, extents and pages in use are exactly those that somebody uses
 *
 * System calls stand still meanwhile, and the faults of a file while that file is looked at. Loads and stores that
 * fault on no page go on: none of the above depends on them.
 */
import { BugError } from '../assert.js'
import { LAST_INDEX } from '../dax/invalidate.js'
import { lockPages, rootOf, unlockPages } from '../dax/grab-entry.js'
import { HeaderWord, type Machine } from '../fault/machine.js'
import { settle } from '../fault/settle.js'
import { InodeWord } from '../mm/inode.js'
import { mutexLock, mutexUnlock } from '../sync/mutex.js'
import { writeLock, writeUnlock } from '../sync/rw-semaphore.js'
import { verifyTree } from '../tree/dump.js'
import { ExtentCursor } from '../tree/extent-tree.js'
import { withLiveInodes } from './inode-cache.js'
import { verifyFile } from './verify-file.js'
import { verifyMappings } from './verify-mappings.js'

/** What was looked at. */
export interface VerifyReport {
  readonly files: number
  readonly entries: number
  /** Allocated blocks, pages of 4096 bytes. */
  readonly blocks: number
  /** Pages found in page tables, over all mappings. */
  readonly mappedPages: number
  /** Pages in the cache that were compared with media. */
  readonly comparedPages: number
}

/** Faults of others may use and free records while they are counted: then the count is taken again, so often. */
const ATTEMPTS = 5
const PAUSE_MS = 2

/**
 * Context: holds nothing; takes the freeze exclusively (waits for running system calls), then the whole range of each
 * file in turn (waits for faults).
 * Errors: BugError that names the file and what is wrong, with a dump.
 */
export function verifyMachine(machine: Machine): VerifyReport {
  const { words } = machine
  writeLock(words, HeaderWord.Freeze)
  try {
    return withLiveInodes(machine, (live) => verifyFiles(machine, live))
  } finally {
    writeUnlock(words, HeaderWord.Freeze)
  }
}

/** Context: frozen. live: all files, held; so none comes and none goes. */
function verifyFiles(machine: Machine, live: readonly number[]): VerifyReport {
  settle(machine)
  const report = { files: 0, entries: 0, blocks: 0, mappedPages: 0, comparedPages: 0 }
  for (const inode of live) {
    machine.locking.beginTruncate(machine, inode, 0, LAST_INDEX)
    try {
      const { entries, blocks, comparedPages } = verifyFile(machine, inode)
      report.files++
      report.entries += entries
      report.blocks += blocks
      report.comparedPages += comparedPages
      report.mappedPages += verifyMappings(machine, inode)
    } finally {
      machine.locking.endTruncate(machine, inode)
    }
  }
  machine.pfns.verify()
  verifyPools(machine, live)
  return report
}

interface PoolCounts {
  readonly nodes: number
  readonly extents: number
  readonly pages: number
}

/** Context: frozen. Faults may run: a difference that does not last is theirs. */
function verifyPools(machine: Machine, live: readonly number[]): void {
  for (let attempt = 1; ; attempt++) {
    const before = inUse(machine)
    const used = countUsed(machine, live)
    const after = inUse(machine)
    const quiet = same(before, after)
    if (quiet && same(before, used)) return
    if (attempt === ATTEMPTS) {
      if (!quiet) return
      throw new BugError('records of the pools that nobody uses, or that two use', { inUse: after, used })
    }
    machine.words.wait(HeaderWord.Magic, machine.words.load(HeaderWord.Magic), PAUSE_MS)
    settle(machine)
  }
}

function inUse({ nodePool, extentPool, pfns }: Machine): PoolCounts {
  const pages = pfns.capacityPages - pfns.freePages - pfns.reservedPages
  return { nodes: nodePool.inUse, extents: extentPool.inUse, pages }
}

function countUsed(machine: Machine, live: readonly number[]): PoolCounts {
  const { words, inodes, blocks } = machine
  let nodes = 0
  let pages = 0
  let extents = countExtents(machine, HeaderWord.Slots + 1, HeaderWord.Slots)
  for (const inode of live) {
    const at = inodes.at(inode)
    lockPages(machine, inode)
    try {
      nodes += verifyTree(machine.tree, rootOf(machine, inode))
    } finally {
      unlockPages(machine, inode)
    }
    extents += countExtents(machine, at + InodeWord.Blocks, at + InodeWord.BlockRoot)
    extents += countExtents(machine, at + InodeWord.Blocks, at + InodeWord.UnfencedRoot)
    mutexLock(words, at + InodeWord.Blocks)
    pages += blocks.blocks(at + InodeWord.BlockRoot)
    mutexUnlock(words, at + InodeWord.Blocks)
  }
  return { nodes, extents, pages }
}

/** Records of one extent tree; any tree object can walk any root. Context: takes the mutex at `lock`. */
function countExtents(machine: Machine, lock: number, root: number): number {
  const cursor = new ExtentCursor()
  let count = 0
  mutexLock(machine.words, lock)
  for (let key = 0; machine.unfenced.findFrom(root, key, cursor); key = cursor.start + cursor.length) count++
  mutexUnlock(machine.words, lock)
  return count
}

function same(one: PoolCounts, other: PoolCounts): boolean {
  return one.nodes === other.nodes && one.extents === other.extents && one.pages === other.pages
}
