/**
 * What must hold of any machine when nobody runs on it: locks, counts, trees, and that entries, blocks, page tables,
 * cache and media tell one story. Context of all: no execution is running; kernel sees plain words.
 */
import { hasAsyncMappings } from '../../lib/dax/collect-stores.js'
import { InodeWord } from '../../lib/mm/inode.js'
import { VmaWord } from '../../lib/mm/vma.js'
import { BlockCursor, BlockState } from '../../lib/media/block-map.js'
import { PageOwner } from '../../lib/media/page-owners.js'
import { RangeLockWord } from '../../lib/sync/range-lock.js'
import { ThreadWord } from '../../lib/sync/threads.js'
import { NULL_ENTRY, describeEntry, isData, isLocked, isPmd, pfnOf } from '../../lib/tree/entry.js'
import { verifyTree } from '../../lib/tree/dump.js'
import { Mark } from '../../lib/tree/root.js'
import { Pte } from '../support/model-page-table.js'
import type { SmallKernel } from '../support/small-kernel.js'
import { PAGE } from './harness.js'
import { requireInvariant } from './violation.js'

const BUCKET_WORDS = 3
const cursor = new BlockCursor()
const owner = new PageOwner()
const LINE = 64

/** Throws InvariantError or BugError. */
export function checkMachine(kernel: SmallKernel): void {
  checkThreads(kernel)
  const { sizes } = kernel.handle
  let nodes = 0
  let blocks = 0
  for (let inode = 1; inode <= sizes.files; inode++) {
    checkLocks(kernel, inode)
    const at = kernel.inodes.at(inode)
    nodes += verifyTree(kernel.tree, at + InodeWord.TreeRoot)
    kernel.unfenced.verify(at + InodeWord.UnfencedRoot)
    blocks += kernel.blocks.blocks(at + InodeWord.BlockRoot)
    for (let page = 0; page < sizes.pages; page++) checkPage(kernel, inode, page)
  }
  requireInvariant(nodes === kernel.nodePool.inUse, `${kernel.nodePool.inUse} nodes in use, ${nodes} in trees`)
  kernel.pfns.verify()
  const allocated = sizes.capacity - kernel.pfns.freePages - kernel.pfns.reservedPages
  requireInvariant(blocks === allocated, `${allocated} pages of the device allocated, files have ${blocks}`)
}

function checkThreads(kernel: SmallKernel): void {
  const { words, threads, layout } = kernel
  for (let id = 1; id <= threads.highest; id++) {
    const at = threads.at(id)
    requireInvariant(words.get(at + ThreadWord.EntryLocks) === 0, `record ${id} still counts an entry lock`)
    requireInvariant(words.get(at + ThreadWord.SharedInode) === 0, `record ${id} still holds a shared range`)
    requireInvariant(words.get(at + ThreadWord.ExclusiveInode) === 0, `record ${id} still holds an exclusive range`)
  }
  for (let bucket = 0; bucket < kernel.handle.sizes.waitBuckets; bucket++) {
    requireInvariant(words.get(layout.waits + bucket * BUCKET_WORDS + 1) === 0, `wait bucket ${bucket} is not empty`)
  }
  for (let vma = 1; vma <= kernel.vmas.highest; vma++) {
    requireInvariant(words.get(kernel.vmas.at(vma) + VmaWord.Users) === 0, `mapping ${vma} is still in use`)
  }
}

const LOCK_WORDS: readonly (readonly [number, string])[] = [
  [InodeWord.Rwsem, 'i_rwsem'],
  [InodeWord.Rwsem + 1, 'writers of i_rwsem'],
  [InodeWord.RangeLock + RangeLockWord.Mutex, 'range mutex'],
  [InodeWord.RangeLock + RangeLockWord.Exclusive, 'exclusive count'],
  [InodeWord.Sync, 'Sync mutex'],
  [InodeWord.Blocks, 'ilock'],
  [InodeWord.Pages, 'i_pages'],
  [InodeWord.Mmap, 'i_mmap'],
]

function checkLocks(kernel: SmallKernel, inode: number): void {
  for (const [word, name] of LOCK_WORDS) {
    const value = kernel.words.load(kernel.inodes.at(inode) + word)
    requireInvariant(value === 0, `${name} of inode ${inode} is ${value}, not free`)
  }
}

function checkPage(kernel: SmallKernel, inode: number, page: number): void {
  const { tree, media } = kernel
  const root = kernel.inodes.at(inode) + InodeWord.TreeRoot
  const entry = tree.load(root, page)
  const resident = kernel.words.load(media.residentCell(inode, page)) === 1
  const name = `page ${page} of inode ${inode}, ${describeEntry(entry)}`
  requireInvariant(!isLocked(entry), `${name}: still locked`)
  const dirty = entry !== NULL_ENTRY && tree.getMark(root, page, Mark.Dirty)
  // A flush of lines tags what asynchronous mappings know, for the next sync.
  const tagged = entry !== NULL_ENTRY && tree.getMark(root, page, Mark.ToWrite)
  requireInvariant(!tagged || (dirty && hasAsyncMappings(kernel, inode)), `${name}: still tagged TOWRITE`)
  const inside = page < kernel.inodes.pagesOf(inode)
  requireInvariant(inside || entry === NULL_ENTRY || isPmd(entry), `${name}: an entry past EOF`)
  requireInvariant(inside || !resident, `${name}: in the cache past EOF`)
  checkMapped(kernel, inode, page, name, entry !== NULL_ENTRY, isData(entry) && dirty)
  const committed = kernel.words.get(media.committedCell(inode, page)) === 1
  const hasBlock = kernel.blocks.lookup(kernel.inodes.at(inode) + InodeWord.BlockRoot, page, cursor) !== BlockState.Hole
  requireInvariant(!committed || hasBlock, `${name}: committed, but it has no block: a remount would find one`)
  if (entry !== NULL_ENTRY && isData(entry)) checkBlock(kernel, inode, page, entry, name)
  if (resident && !dirty && !isUncollected(kernel, inode, page)) checkClean(kernel, inode, page, name)
}

/** The page tables of an asynchronous mapping say that it may have been stored to: the next sync will ask them. */
function isUncollected(kernel: SmallKernel, inode: number, page: number): boolean {
  for (let vma = 1; vma <= kernel.vmas.highest; vma++) {
    const mapped = kernel.vmas.isLive(vma) && kernel.vmas.inodeOf(vma) === inode
    if (mapped && kernel.pageTable.mayBeWritten(vma, page)) return true
  }
  return false
}

/** A page that is mapped has an entry, one that can be stored to is DIRTY (K52). */
function checkMapped(
  kernel: SmallKernel,
  inode: number,
  page: number,
  name: string,
  hasEntry: boolean,
  dirty: boolean,
): void {
  for (let vma = 1; vma <= kernel.vmas.highest; vma++) {
    if (!kernel.vmas.isLive(vma) || kernel.vmas.inodeOf(vma) !== inode) continue
    const pte = kernel.pageTable.pte(vma, page)
    if (pte === Pte.Absent || pte === Pte.Marker || pte === Pte.Failed) continue
    requireInvariant(page < kernel.inodes.pagesOf(inode), `${name}: mapped past EOF in mapping ${vma}`)
    if (pte === Pte.Copy) continue
    requireInvariant(hasEntry, `${name}: mapped in mapping ${vma} without an entry`)
    const noted = dirty || kernel.vmas.isAsync(vma)
    requireInvariant(pte !== Pte.Writable || noted, `${name}: writable in mapping ${vma}, but not DIRTY`)
    const resident = kernel.words.load(kernel.media.residentCell(inode, page)) === 1
    requireInvariant(resident, `${name}: mapped in mapping ${vma}, but not in the cache`)
  }
}

/** Data: the block map says the same pfn, and the pfn says the same page (D6, K54). */
function checkBlock(kernel: SmallKernel, inode: number, page: number, entry: number, name: string): void {
  const state = kernel.blocks.lookup(kernel.inodes.at(inode) + InodeWord.BlockRoot, page, cursor)
  const pfn = pfnOf(entry) + (isPmd(entry) ? page % 512 : 0)
  const { pfn: block } = cursor
  requireInvariant(state === BlockState.Written && block === pfn, `${name}: the block map has pfn ${block}`)
  const known = kernel.pfns.ownerOf(pfn, owner)
  const same = known && owner.mapping === inode && owner.pgoff === page
  requireInvariant(same, `${name}: pfn ${pfn} belongs to ${known ? `${owner.mapping}:${owner.pgoff}` : 'nobody'}`)
}

/** Clean: what the cache has is on media, or a line of it is on its way there (K70). */
function checkClean(kernel: SmallKernel, inode: number, page: number, name: string): void {
  const { media, pending, unfenced } = kernel
  const length = Math.min(PAGE, kernel.inodes.sizeOf(inode) - page * PAGE)
  const cache = media.cacheBytes(inode, page * PAGE, length)
  const there = media.mediaBytes(inode, page * PAGE, length)
  if (Buffer.compare(cache, there) === 0) return
  const byte = cache.findIndex((value, i) => value !== there[i])
  const line = Math.floor(byte / LINE)
  if (pending.has(inode, page, line) || unfenced.count(kernel.inodes.at(inode) + InodeWord.UnfencedRoot) > 0) return
  const bytes = `byte ${byte} is ${cache[byte]} in the cache, ${there[byte]} on media`
  requireInvariant(false, `${name}: clean, but ${bytes}: a store is lost`)
}

/** The state as a line of text, for telling states apart. */
export function describeMachine(kernel: SmallKernel, results: readonly number[]): string {
  const { sizes } = kernel.handle
  const { tree, media, words } = kernel
  let text = results.join()
  for (let inode = 1; inode <= sizes.files; inode++) {
    const root = kernel.inodes.at(inode) + InodeWord.TreeRoot
    text += `|${kernel.inodes.sizeOf(inode)}`
    for (let page = 0; page < sizes.pages; page++) {
      const entry = tree.load(root, page)
      const resident = words.get(media.residentCell(inode, page))
      if (entry === NULL_ENTRY && resident === 0) continue
      text += `;${page}:${entry}`
      if (entry !== NULL_ENTRY && tree.getMark(root, page, Mark.Dirty)) text += 'd'
      if (resident === 1) text += `,${sumOf(media.cacheBytes(inode, page * PAGE, LINE))}`
      text += `,${sumOf(media.mediaBytes(inode, page * PAGE, LINE))}`
      for (let vma = 1; vma <= kernel.vmas.highest; vma++) text += `,${kernel.pageTable.pte(vma, page)}`
    }
  }
  return text
}

/** Of the first line: harnesses store there. */
function sumOf(bytes: Uint8Array): number {
  let sum = 0
  for (const byte of bytes) sum = Math.imul(sum, 31) + byte
  return sum
}
