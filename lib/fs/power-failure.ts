/**
 * A power failure without the reboot: decide what reached media, then forget everything that did not.
 *
 * What may survive is what persist/pending-lines.ts says. A line that differs between cache and media is in one of
 * three states on media afterwards: as media has it, as the snapshot an unfenced flush took, or as the cache has it
 * now.
 *
 *   none     media as it is: nothing lucky
 *   all      every line as the cache has it: as if each had been evicted in time (an eADR machine)
 *   random   each line for itself, by a seeded generator: the same seed and stores give the same image
 *
 * On a mount with domain 'eadr' it is always as with 'all': CPU caches are inside the persistence domain, a device
 * without a write cache (K72).
 *
 * Then the machine is as after a reboot: caches empty, page tables empty, private copies gone, blocks as media tells.
 * Mappings and open files stay usable and show what survived, which a real reboot would not be so kind to do.
 */
import { Page, PGOFF_LIMIT } from '../constants.js'
import { rootOf } from '../dax/grab-entry.js'
import { badRunsOf, loadBadBlocks, nextKnownBad, noteBadBlocks } from '../dax/bad-blocks.js'
import { collectStores } from '../dax/collect-stores.js'
import { LAST_INDEX, deleteEntries } from '../dax/invalidate.js'
import { checkResult } from '../errors.js'
import { HeaderWord, type Machine } from '../fault/machine.js'
import { ExtentCursor } from '../tree/extent-tree.js'
import { InodeFlag, InodeWord } from '../mm/inode.js'
import { VmaFlag } from '../mm/vma.js'
import { Prng } from '../prng.js'
import { Counter } from '../stats.js'
import { mutexLock, mutexUnlock } from '../sync/mutex.js'
import { writeLock, writeUnlock } from '../sync/rw-semaphore.js'
import { Cursor } from '../tree/cursor.js'
import { Mark } from '../tree/root.js'
import { reloadBlocks, withLiveInodes } from './inode-cache.js'
import { hostError } from './pool-directory.js'

export type Survival = 'none' | 'all' | 'random'

export interface CrashReport {
  /** Lines that differed from media when the power went, unfenced snapshots included. */
  readonly linesAtRisk: number
  /** Of those, how many reached media all the same, as flushed or as stored. */
  readonly linesSurvived: number
  readonly linesLost: number
}

interface Tally {
  atRisk: number
  survived: number
}

/**
 * Context: takes the freeze exclusively (waits for running system calls), then each file's range.
 * Errors: PmemError of the host when a surviving line cannot be written, or media not be asked what it has: then the
 * power has failed for some of the files.
 */
export function losePower(machine: Machine, survive: Survival, seed: number): CrashReport {
  const { words } = machine
  const prng = new Prng(seed)
  const tally: Tally = { atRisk: 0, survived: 0 }
  writeLock(words, HeaderWord.Freeze)
  // No store is half made or half recorded when the power goes.
  machine.stores?.hold()
  try {
    withLiveInodes(machine, (inodes) => {
      for (const inode of inodes) {
        machine.locking.beginTruncate(machine, inode, 0, LAST_INDEX)
        try {
          decideLines(machine, inode, survive, prng, tally)
          forget(machine, inode)
        } catch (error) {
          throw hostError(error, 'crash', machine.inodes.nameOf(inode))
        } finally {
          machine.locking.endTruncate(machine, inode)
        }
      }
    })
    machine.threads.count(machine.self, Counter.Crashes, 1)
  } finally {
    machine.stores?.release()
    writeUnlock(words, HeaderWord.Freeze)
  }
  return { linesAtRisk: tally.atRisk, linesSurvived: tally.survived, linesLost: tally.atRisk - tally.survived }
}

/** Context: frozen, exclusive range. Pages in order, lines in order: the sequence of draws depends on nothing else. */
function decideLines(machine: Machine, inode: number, survive: Survival, prng: Prng, tally: Tally): void {
  collectStores(machine, inode, 0, LAST_INDEX)
  const snapshots = new Map<number, () => number>()
  machine.pending.forEach(inode, (pgoff, line, commit) => snapshots.set(pgoff * Page.LinesPerPage + line, commit))
  for (const pgoff of pagesAtRisk(machine, inode, snapshots)) {
    // A page of a 2 MiB entry that nobody touched is not in the cache, and so is as media has it.
    if (!machine.media.isCached(inode, pgoff * Page.Size, 1)) continue
    // Nor can a line of a bad page have reached it: the page has no lines any more.
    if (nextKnownBad(machine, inode, pgoff, pgoff + 1) >= 0) continue
    checkResult(machine.media.diffPage(inode, pgoff), 'crash', machine.inodes.nameOf(inode))
    const masks = [machine.media.lineMask(0), machine.media.lineMask(1)] as const
    for (let line = 0; line < Page.LinesPerPage; line++) {
      const commit = snapshots.get(pgoff * Page.LinesPerPage + line)
      const differs = (((line < 32 ? masks[0] : masks[1]) >>> (line % 32)) & 1) === 1
      if (!differs && commit === undefined) continue
      tally.atRisk++
      const fate = machine.handle.config.eadr ? 'cache' : fateOf(survive, commit !== undefined, prng)
      if (fate === 'media') continue
      tally.survived++
      if (fate === 'flushed' && commit !== undefined) checkResult(commit(), 'crash', machine.inodes.nameOf(inode))
      else writeLine(machine, inode, pgoff, line)
    }
  }
}

function fateOf(survive: Survival, flushed: boolean, prng: Prng): 'media' | 'flushed' | 'cache' {
  if (survive !== 'random') return survive === 'all' ? 'cache' : 'media'
  const draw = prng.below(flushed ? 3 : 2)
  if (draw === 0) return 'media'
  return draw === 2 ? 'flushed' : 'cache'
}

function writeLine(machine: Machine, inode: number, pgoff: number, line: number): void {
  const offset = pgoff * Page.Size + line * Page.LineSize
  const error = machine.media.writeback(inode, offset, Page.LineSize, machine.inodes.sizeOf(inode))
  checkResult(error, 'crash', machine.inodes.nameOf(inode))
}

/** Pages that can differ from media: DIRTY entries, unfenced writes, snapshots. Ascending, each once. */
function pagesAtRisk(machine: Machine, inode: number, snapshots: ReadonlyMap<number, unknown>): number[] {
  const pages = new Set<number>()
  const root = rootOf(machine, inode)
  const cursor = new Cursor()
  for (const mark of [Mark.Dirty, Mark.ToWrite] as const) {
    for (let from = 0; machine.tree.nextMarked(root, from, LAST_INDEX, mark, cursor); from = cursor.after()) {
      for (let page = 0; page < 1 << cursor.order; page++) pages.add(cursor.index + page)
    }
  }
  const range = new ExtentCursor()
  const unfenced = machine.inodes.at(inode) + InodeWord.UnfencedRoot
  for (let key = 0; machine.unfenced.findFrom(unfenced, key, range); key = range.start + range.length) {
    const last = Math.floor((range.start + range.length - 1) / Page.LinesPerPage)
    for (let page = Math.floor(range.start / Page.LinesPerPage); page <= last; page++) pages.add(page)
  }
  for (const line of snapshots.keys()) pages.add(Math.floor(line / Page.LinesPerPage))
  const end = machine.inodes.pagesOf(inode)
  return [...pages].filter((page) => page < end).sort((a, b) => a - b)
}

/** The file as a reboot finds it. Context: frozen, exclusive range. */
function forget(machine: Machine, inode: number): void {
  const { inodes, media, unfenced } = machine
  const at = inodes.at(inode)
  deleteEntries(machine, inode, 0, LAST_INDEX)
  machine.pending.dropFrom(inode, 0)
  unfenced.clear(at + InodeWord.UnfencedRoot)
  dropPrivateCopies(machine, inode)
  machine.pageTable.unmapPages(inode, 0, PGOFF_LIMIT)
  const size = inodes.sizeOf(inode)
  if (size > 0) {
    const whole = Math.ceil(size / Page.Size) * Page.Size
    checkResult(media.dropCache(inode, 0, whole), 'crash', inodes.nameOf(inode))
  }
  inodes.clearFlags(inode, InodeFlag.Dirty | InodeFlag.MetadataDirty)
  // Memory errors outlive the power; those of blocks that media never heard of go with them.
  const bad = badRunsOf(machine, inode)
  reloadBlocks(machine, inode)
  loadBadBlocks(machine, inode, bad)
  checkResult(noteBadBlocks(machine, inode), 'crash', inodes.nameOf(inode))
}

/** Anonymous memory does not survive; madvise drops all of a private mapping, copies included. */
function dropPrivateCopies(machine: Machine, inode: number): void {
  const { words, vmas, inodes, addon } = machine
  mutexLock(words, inodes.at(inode) + InodeWord.Mmap)
  for (let vma = vmas.firstInFile(inode); vma !== 0; vma = vmas.nextInFile(vma)) {
    if ((vmas.flagsOf(vma) & VmaFlag.Shared) !== 0) continue
    addon.dropPages(vmas.addressOf(vma), vmas.pagesOf(vma) * Page.Size)
  }
  mutexUnlock(words, inodes.at(inode) + InodeWord.Mmap)
}
