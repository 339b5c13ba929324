/**
 * A whole kernel in a few hundred kilobytes: the real structures over small words, the ports doubled.
 *
 * Fan-out 4 and one wait bucket, so that trees are deep and all sleepers collide. Other threads attach by the handle.
 */
import type { LockingName } from '../../lib/config.js'
import { Page } from '../../lib/constants.js'
import { grabEntry, lockPages, rootOf, unlockEntry, unlockPages } from '../../lib/dax/grab-entry.js'
import type { Kernel } from '../../lib/dax/kernel.js'
import { FLAVOURS } from '../../lib/dax/flavour.js'
import { LOCKING_POLICIES } from '../../lib/dax/locking-policies.js'
import { BlockCursor, BlockMap, BlockState } from '../../lib/media/block-map.js'
import { ExtentPool } from '../../lib/tree/extent-pool.js'
import { ExtentTree } from '../../lib/tree/extent-tree.js'
import { PfnAllocator } from '../../lib/media/pfn-allocator.js'
import { InodeState, InodeTable, InodeWord } from '../../lib/mm/inode.js'
import { Slots } from '../../lib/mm/slots.js'
import { VmaFlag, VmaTable } from '../../lib/mm/vma.js'
import { PendingLines } from '../../lib/persist/pending-lines.js'
import { RangeLock } from '../../lib/sync/range-lock.js'
import { AtomicWords } from '../../lib/sync/shared-words.js'
import { Threads } from '../../lib/sync/threads.js'
import { WaitTable } from '../../lib/sync/wait-table.js'
import { TraceRing } from '../../lib/trace/trace-ring.js'
import { describeEntry } from '../../lib/tree/entry.js'
import { NodePool } from '../../lib/tree/node-pool.js'
import { RadixTree } from '../../lib/tree/radix-tree.js'
import { Mark } from '../../lib/tree/root.js'
import { MemoryMedia } from './memory-media.js'
import { ModelPageTable } from './model-page-table.js'
import { PortTrace } from './port-trace.js'

const enum Small {
  Threads = 8,
  WaitBuckets = 1,
  Files = 2,
  Pages = 32,
  Mappings = 6,
  Capacity = 48,
  Extents = 128,
  TreeNodes = 256,
  TreeBits = 2,
  PendingLines = 8,
}

/** Pages of each file. */
export const FILE_PAGES: number = Small.Pages
/** Pages of the device. */
export const CAPACITY_PAGES: number = Small.Capacity
export const PENDING_LINES: number = Small.PendingLines

export interface SmallHandle {
  readonly locking: LockingName
  readonly words: SharedArrayBuffer
  /** Cache, media, page tables. */
  readonly memory: SharedArrayBuffer
}

export interface SmallKernel extends Kernel {
  readonly handle: SmallHandle
  /** The order in which the ports were called. */
  readonly ports: PortTrace
  readonly media: MemoryMedia
  readonly pageTable: ModelPageTable
  readonly nodePool: NodePool
  readonly extentPool: ExtentPool
}

function layoutOf(): Record<
  'threads' | 'waits' | 'inodes' | 'vmas' | 'pfns' | 'pending' | 'extents' | 'slots' | 'trace' | 'nodes',
  number
> & {
  words: number
} {
  let words = 16
  const take = (count: number): number => (words += count) - count
  return {
    threads: take(Threads.wordsFor(Small.Threads)),
    waits: take(WaitTable.wordsFor(Small.WaitBuckets)),
    inodes: take(InodeTable.wordsFor(Small.Files)),
    vmas: take(VmaTable.wordsFor(Small.Mappings)),
    pfns: take(PfnAllocator.wordsFor(Small.Capacity)),
    pending: take(PendingLines.wordsFor(Small.PendingLines)),
    extents: take(ExtentPool.wordsFor(Small.Extents)),
    slots: take(2),
    trace: take(TraceRing.wordsFor(16)),
    nodes: take(NodePool.wordsFor(Small.TreeNodes, Small.TreeBits)),
    words,
  }
}

/** A new machine with files 1 and 2, each of FILE_PAGES pages of hole. */
export function smallKernel(locking: LockingName = 'entry'): SmallKernel {
  const layout = layoutOf()
  const mediaBytes = MemoryMedia.bytesFor(Small.Files, Small.Pages)
  const handle: SmallHandle = {
    locking,
    words: new SharedArrayBuffer(layout.words * 4),
    memory: new SharedArrayBuffer(mediaBytes + ModelPageTable.bytesFor(Small.Mappings, Small.Pages)),
  }
  const words = new AtomicWords(handle.words)
  new PfnAllocator(words, layout.pfns, Small.Capacity).initialise()
  new ExtentPool(words, layout.extents, Small.Extents).initialise()
  new NodePool(words, layout.nodes, Small.TreeNodes, Small.TreeBits).initialise()
  const inodes = new InodeTable(words, layout.inodes, Small.Files)
  for (let inode = 1; inode <= Small.Files; inode++) {
    inodes.setWord(inode, InodeWord.State, InodeState.Live)
    inodes.setSize(inode, Small.Pages * Page.Size)
  }
  return attachSmall(handle)
}

/** The same machine as the calling thread sees it; takes a thread record. */
export function attachSmall(handle: SmallHandle): SmallKernel {
  const layout = layoutOf()
  const words = new AtomicWords(handle.words)
  const ports = new PortTrace()
  const threads = new Threads(words, layout.threads, Small.Threads)
  const inodes = new InodeTable(words, layout.inodes, Small.Files)
  const vmas = new VmaTable(words, layout.vmas, Small.Mappings, inodes)
  const media = new MemoryMedia(handle.memory, 0, Small.Files, Small.Pages, words, ports)
  const tables = MemoryMedia.bytesFor(Small.Files, Small.Pages)
  const pfns = new PfnAllocator(words, layout.pfns, Small.Capacity)
  const nodePool = new NodePool(words, layout.nodes, Small.TreeNodes, Small.TreeBits)
  const extentPool = new ExtentPool(words, layout.extents, Small.Extents)
  return {
    handle,
    ports,
    trace: new TraceRing(words, layout.trace, 16),
    slots: new Slots(words, new ExtentTree(words, extentPool, true), layout.slots),
    flavour: FLAVOURS.ext4,
    hugePages: false,
    words,
    self: threads.attach(0),
    threads,
    waits: new WaitTable(words, layout.waits, Small.WaitBuckets, threads),
    ranges: new RangeLock(words, threads),
    inodes,
    vmas,
    tree: new RadixTree(nodePool),
    blocks: new BlockMap(new ExtentTree(words, extentPool), pfns),
    blockCursor: new BlockCursor(),
    unfenced: new ExtentTree(words, extentPool, true),
    pfns,
    pending: new PendingLines(words, layout.pending, Small.PendingLines, threads, inodes, media),
    pageTable: new ModelPageTable(handle.memory, tables, Small.Mappings, words, inodes, vmas, media, ports),
    media,
    locking: LOCKING_POLICIES[handle.locking],
    nodePool,
    extentPool,
  }
}

/** Map [pgoff, pgoff + pages) of a file. Return: the mapping. */
export function mapFile(kernel: SmallKernel, inode: number, shared = true, pgoff = 0, pages = FILE_PAGES): number {
  const flags = VmaFlag.Read | VmaFlag.Write | (shared ? VmaFlag.Shared : 0)
  return kernel.vmas.insert({ inode, flags, pgoff, pages, address: (kernel.vmas.highest + 1) * 2 ** 30 })
}

/** Give a page a written block whose media bytes are all `byte`. Return: its pfn. */
export function giveBlock(kernel: SmallKernel, inode: number, pgoff: number, byte: number): number {
  const root = kernel.inodes.at(inode) + InodeWord.BlockRoot
  kernel.media.mediaBytes(inode, pgoff * Page.Size, Page.Size).fill(byte)
  return kernel.blocks.allocate(root, pgoff, BlockState.Written)
}

/** Give a page an unwritten block, as fallocate does. Return: its pfn. */
export function giveUnwritten(kernel: SmallKernel, inode: number, pgoff: number): number {
  return kernel.blocks.allocate(kernel.inodes.at(inode) + InodeWord.BlockRoot, pgoff, BlockState.Unwritten)
}

/** 'N', 'E4+L', 'Z4 dirty', 'D4 pfn 513 dirty towrite': an entry with its marks. */
export function entryAt(kernel: SmallKernel, inode: number, pgoff: number): string {
  const root = rootOf(kernel, inode)
  lockPages(kernel, inode)
  let text = describeEntry(kernel.tree.load(root, pgoff))
  if (kernel.tree.getMark(root, pgoff, Mark.Dirty)) text += ' dirty'
  if (kernel.tree.getMark(root, pgoff, Mark.ToWrite)) text += ' towrite'
  unlockPages(kernel, inode)
  return text
}

/** Take the lock of an entry and give it back. */
export function visitEntry(
  kernel: SmallKernel,
  inode: number,
  pgoff: number,
  visit: () => void = () => undefined,
): void {
  const entry = grabEntry(kernel, inode, pgoff, true)
  visit()
  unlockEntry(kernel, inode, pgoff, entry)
}

export function setMark(kernel: SmallKernel, inode: number, pgoff: number, mark: Mark): void {
  lockPages(kernel, inode)
  kernel.tree.setMark(rootOf(kernel, inode), pgoff, mark)
  unlockPages(kernel, inode)
}
