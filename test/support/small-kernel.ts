/**
 * A whole kernel in a few hundred kilobytes: the real structures over small words, the ports doubled.
 *
 * Fan-out 4 and one wait bucket, so that trees are deep and all sleepers collide. Other threads attach by the handle.
 */
import type { LockingName } from '../../lib/config.js'
import { Page } from '../../lib/constants.js'
import { grabEntry, lockPages, rootOf, unlockEntry, unlockPages } from '../../lib/dax/grab-entry.js'
import type { Kernel } from '../../lib/dax/kernel.js'
import { CurrentFault } from '../../lib/dax/fault-context.js'
import { HeldEntry } from '../../lib/dax/held-entry.js'
import { WritebackBatch } from '../../lib/dax/writeback-batch.js'
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
import { AtomicWords, type SharedWords } from '../../lib/sync/shared-words.js'
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

/** Sizes of a small machine. */
export interface SmallSizes {
  readonly threads: number
  readonly waitBuckets: number
  readonly files: number
  /** Of each file: as many as cache and media have. */
  readonly pages: number
  readonly mappings: number
  /** Pages of the device. */
  readonly capacity: number
  readonly extents: number
  readonly treeNodes: number
  readonly treeBits: number
  readonly pendingLines: number
  readonly hugePages: boolean
  /** Pages a load may map; 1: its own. */
  readonly faultAround: number
}

const SIZES: SmallSizes = {
  threads: 8,
  waitBuckets: 1,
  files: 2,
  pages: 32,
  mappings: 6,
  capacity: 48,
  extents: 128,
  treeNodes: 256,
  treeBits: 2,
  pendingLines: 8,
  hugePages: false,
  faultAround: 1,
}

/** Pages of each file. */
export const FILE_PAGES: number = SIZES.pages
/** Pages of the device. */
export const CAPACITY_PAGES: number = SIZES.capacity
export const PENDING_LINES: number = SIZES.pendingLines
/** Words without a meaning, for tests of what runs on the machine. */
export const SCRATCH_WORDS = 16

export interface SmallHandle {
  readonly locking: LockingName
  readonly words: SharedArrayBuffer
  /** Bytes of cache, media, private copies. */
  readonly memory: SharedArrayBuffer
  readonly sizes: SmallSizes
  readonly config: { readonly syncHost: boolean }
}

export interface SmallKernel extends Kernel {
  readonly handle: SmallHandle
  /** The order in which the ports were called. */
  readonly ports: PortTrace
  readonly media: MemoryMedia
  readonly pageTable: ModelPageTable
  readonly nodePool: NodePool
  readonly extentPool: ExtentPool
  readonly layout: SmallLayout
}

/** Word addresses of the regions. */
export type SmallLayout = Readonly<
  Record<
    | 'scratch'
    | 'threads'
    | 'waits'
    | 'inodes'
    | 'vmas'
    | 'pfns'
    | 'pending'
    | 'extents'
    | 'slots'
    | 'trace'
    | 'nodes'
    | 'cells'
    | 'ptes'
    | 'words',
    number
  >
>

export function layoutOf(sizes: SmallSizes): SmallLayout {
  let words: number = SCRATCH_WORDS
  const take = (count: number): number => (words += count) - count
  return {
    scratch: 0,
    threads: take(Threads.wordsFor(sizes.threads)),
    waits: take(WaitTable.wordsFor(sizes.waitBuckets)),
    inodes: take(InodeTable.wordsFor(sizes.files)),
    vmas: take(VmaTable.wordsFor(sizes.mappings)),
    pfns: take(PfnAllocator.wordsFor(sizes.capacity)),
    pending: take(PendingLines.wordsFor(sizes.pendingLines)),
    extents: take(ExtentPool.wordsFor(sizes.extents)),
    slots: take(2),
    trace: take(TraceRing.wordsFor(16)),
    nodes: take(NodePool.wordsFor(sizes.treeNodes, sizes.treeBits)),
    // From here on the state of the doubles, which kernel code does not know of.
    cells: take(MemoryMedia.wordsFor(sizes.files, sizes.pages)),
    ptes: take(ModelPageTable.wordsFor(sizes.mappings, sizes.pages)),
    words,
  }
}

/** A new machine whose files (1 and 2) are `pages` pages of hole. */
export function smallKernel(sizes: Partial<SmallSizes> = {}, locking: LockingName = 'entry'): SmallKernel {
  const all = { ...SIZES, ...sizes }
  const layout = layoutOf(all)
  const mediaBytes = MemoryMedia.bytesFor(all.files, all.pages)
  const handle: SmallHandle = {
    locking,
    words: new SharedArrayBuffer(layout.words * 4),
    memory: new SharedArrayBuffer(mediaBytes + ModelPageTable.bytesFor(all.mappings, all.pages)),
    sizes: all,
    config: { syncHost: false },
  }
  const words = new AtomicWords(handle.words)
  new PfnAllocator(words, layout.pfns, all.capacity).initialise()
  new ExtentPool(words, layout.extents, all.extents).initialise()
  new NodePool(words, layout.nodes, all.treeNodes, all.treeBits).initialise()
  const inodes = new InodeTable(words, layout.inodes, all.files)
  for (let inode = 1; inode <= all.files; inode++) {
    inodes.setWord(inode, InodeWord.State, InodeState.Live)
    inodes.setSize(inode, all.pages * Page.Size)
    inodes.setNumber(inode, InodeWord.Reserve, all.pages * Page.Size)
  }
  return attachSmall(handle)
}

/** The same machine as the calling thread sees it, through `words`; takes a thread record. */
export function attachSmall(
  handle: SmallHandle,
  words: SharedWords = new AtomicWords(handle.words),
  makeTree: (pool: NodePool) => RadixTree = (pool) => new RadixTree(pool),
): SmallKernel {
  const { sizes } = handle
  const layout = layoutOf(sizes)
  const ports = new PortTrace()
  const threads = new Threads(words, layout.threads, sizes.threads)
  const inodes = new InodeTable(words, layout.inodes, sizes.files)
  const vmas = new VmaTable(words, layout.vmas, sizes.mappings, inodes)
  const media = new MemoryMedia(handle.memory, 0, sizes.files, sizes.pages, words, layout.cells, ports)
  const copies = MemoryMedia.bytesFor(sizes.files, sizes.pages)
  const pfns = new PfnAllocator(words, layout.pfns, sizes.capacity)
  const nodePool = new NodePool(words, layout.nodes, sizes.treeNodes, sizes.treeBits)
  const extentPool = new ExtentPool(words, layout.extents, sizes.extents)
  return {
    handle,
    layout,
    ports,
    trace: new TraceRing(words, layout.trace, 16),
    slots: new Slots(words, new ExtentTree(words, extentPool, true), layout.slots),
    flavour: FLAVOURS.ext4,
    hugePages: sizes.hugePages,
    faultAround: sizes.faultAround,
    words,
    self: threads.attach(0),
    threads,
    waits: new WaitTable(words, layout.waits, sizes.waitBuckets, threads),
    ranges: new RangeLock(words, threads),
    inodes,
    vmas,
    tree: makeTree(nodePool),
    blocks: new BlockMap(new ExtentTree(words, extentPool), pfns),
    blockCursor: new BlockCursor(),
    fault: new CurrentFault(),
    held: new HeldEntry(),
    batch: new WritebackBatch(),
    unfenced: new ExtentTree(words, extentPool, true),
    pfns,
    pending: new PendingLines(words, layout.pending, sizes.pendingLines, threads, inodes, media),
    pageTable: new ModelPageTable(
      handle.memory,
      copies,
      sizes.mappings,
      words,
      layout.ptes,
      inodes,
      vmas,
      media,
      ports,
    ),
    media,
    locking: LOCKING_POLICIES[handle.locking],
    nodePool,
    extentPool,
  }
}

/** Map [pgoff, pgoff + pages) of a file. Return: the mapping. */
export function mapFile(kernel: SmallKernel, inode: number, shared = true, pgoff = 0, pages?: number): number {
  return mapWith(kernel, inode, VmaFlag.Read | VmaFlag.Write | (shared ? VmaFlag.Shared : 0), pgoff, pages)
}

/** A mapping whose first stores are noted by the host alone. */
export function mapAsync(kernel: SmallKernel, inode: number): number {
  return mapWith(kernel, inode, VmaFlag.Read | VmaFlag.Write | VmaFlag.Shared | VmaFlag.Async, 0)
}

function mapWith(kernel: SmallKernel, inode: number, flags: number, pgoff: number, pages?: number): number {
  return kernel.vmas.insert({
    inode,
    flags,
    pgoff,
    pages: pages ?? kernel.handle.sizes.pages,
    address: (kernel.vmas.highest + 1) * 2 ** 30,
  })
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
