/**
 * The memory layout of a mount, and how a thread gets its Kernel over it.
 *
 *   one SharedArrayBuffer of 32-bit words, sized at mount, never grown:
 *
 *   ┌────────┬─────────┬─────────┬────────┬──────────┬───────────┬─────────┬──────────┬───────────────┐
 *   │ header │ threads │ waits   │ inodes │ mappings │ page      │ pending │ trace, extents, nodes    │
 *   │        │         │         │        │          │ frames    │ lines   │          │               │
 *   └────────┴─────────┴─────────┴────────┴──────────┴───────────┴─────────┴──────────┴───────────────┘
 *
 * Each region belongs to one class, which states its contract above its code. Zero memory is a valid start for all of
 * them but the pools, which initialise() prepares. Memory is committed by the host only where it is touched.
 *
 * Process-wide things that C++ knows by number (descriptors, addresses) are words of the header or of inodes, so that
 * any thread of the process can use them.
 */
import { writeSync } from 'node:fs'
import { assert } from '../assert.js'
import type { Addon } from '../binding/addon.js'
import type { MountConfig } from '../config.js'
import { CurrentFault } from '../dax/fault-context.js'
import { HeldEntry } from '../dax/held-entry.js'
import { WritebackBatch } from '../dax/writeback-batch.js'
import { FLAVOURS } from '../dax/flavour.js'
import { LOCKING_POLICIES } from '../dax/locking-policies.js'
import type { Kernel } from '../dax/kernel.js'
import { BlockCursor, BlockMap } from '../media/block-map.js'
import { ExtentPool } from '../tree/extent-pool.js'
import { ExtentTree } from '../tree/extent-tree.js'
import { HostFileMedia } from '../media/host-file-media.js'
import { InjectedBlockMap } from '../media/injected-block-map.js'
import { InjectedMedia } from '../media/injected-media.js'
import { MappedMedia } from '../media/host-file-mapped.js'
import { Injector } from '../media/injector.js'
import type { Media } from '../media/media.js'
import { PfnAllocator } from '../media/pfn-allocator.js'
import { InodeTable } from '../mm/inode.js'
import { Slots } from '../mm/slots.js'
import { VmaTable } from '../mm/vma.js'
import { PendingLines } from '../persist/pending-lines.js'
import { StoreTrace } from '../persist/store-trace.js'
import { RangeLock } from '../sync/range-lock.js'
import { PmemError } from '../errors.js'
import { Counter } from '../stats.js'
import { AtomicWords, type SharedWords } from '../sync/shared-words.js'
import { COUNTERS_MAX, Threads } from '../sync/threads.js'
import { LossyWaitTable } from '../sync/lossy-wait-table.js'
import { WaitTable } from '../sync/wait-table.js'
import { getNumber } from '../sync/wide.js'
import { TraceRing } from '../trace/trace-ring.js'
import { NodePool } from '../tree/node-pool.js'
import { RadixTree } from '../tree/radix-tree.js'
import { lossOf } from './lost-thread.js'
import { withStoreViews } from './store-views.js'
import { UffdPageTable } from './uffd-page-table.js'

export const enum MachineState {
  Mounting = 0,
  Live = 1,
  /** The fault handler failed (D11): nothing works any more but close. */
  Dead = 2,
  Closed = 3,
}

/** Words of the header. Atomic unless a comment says otherwise. */
export const enum HeaderWord {
  Magic = 0,
  State = 1,
  /** Threads of user code that are attached; a terminated one may have left it too high. See fs/unmount.ts. */
  Users = 2,
  Uffd = 3,
  StopEvent = 4,
  /** Wait words of mount and close: fault workers that are serving, and that have left. */
  WorkersReady = 5,
  WorkersGone = 6,
  /** Fault workers that could not even start. */
  WorkersFailed = 7,
  /** Two words, a reader-writer semaphore: system calls read, crash and close write. */
  Freeze = 8,
  /** Mutex over the inode table: open, close, unlink. */
  Inodes = 10,
  PoolDirectory = 11,
  PoolLock = 12,
  /** 1: the mount is being taken down, or somebody looks whether he is the last to leave. Wait word. */
  Leaving = 13,
  /** Two words: address of a page of zeroes. */
  Zeroes = 14,
  /** Faults until the handler throws on purpose; 0: never. */
  FaultFuse = 16,
  DeathLength = 17,
  Death = 18,
  DeathWords = 64,
  /** Two words: mm/slots.ts. */
  Slots = 84,
  /** Mutex over changes of the table of mappings (mmap_lock): mmap, munmap, mprotect, mremap, madvise. */
  AddressSpace = 86,
  /** Two words: address of the store log of a traced mount; 0: not traced. */
  StoreLog = 88,
  /** Two words: StoreRecording bits, what is recorded of stores now; and how many recordings there were. */
  StoreRecording = 90,
  /** Hash of what a handle says besides its buffer: one that was changed on the way is refused. */
  Handle = 92,
  /** Wake-ups of sleepers on an entry until one is lost on purpose; 0: never. */
  WakeFuse = 93,
  /** The userfaultfd of mappings tracked asynchronously (mount option dirtyTracking); -1: there is none. */
  AsyncUffd = 94,
  /** 1: there is a watchdog, or somebody is starting it; and fault workers that serve, until there is. */
  Watched = 95,
  Busy = 96,
  Size = 112,
}

export const MAGIC = 0x464c5431

/** What a thread needs to attach: structured-cloneable. */
export interface MachineHandle {
  readonly buffer: SharedArrayBuffer
  readonly config: MountConfig
  /** Absolute path of the pool directory. */
  readonly root: string
}

interface Layout {
  readonly threads: number
  readonly waits: number
  readonly inodes: number
  readonly vmas: number
  readonly pfns: number
  readonly pending: number
  readonly extents: number
  readonly trace: number
  readonly nodes: number
  readonly injector: number
  readonly words: number
}

function layoutOf(config: MountConfig): Layout {
  let next = HeaderWord.Size as number
  const take = (words: number): number => {
    const at = next
    // Regions start on cache lines of their own.
    next += Math.ceil(words / 16) * 16
    return at
  }
  return {
    threads: take(Threads.wordsFor(config.maxThreads)),
    waits: take(WaitTable.wordsFor(config.waitBuckets)),
    inodes: take(InodeTable.wordsFor(config.maxFiles)),
    vmas: take(VmaTable.wordsFor(config.maxMappings)),
    pfns: take(PfnAllocator.wordsFor(config.capacityPages)),
    pending: take(PendingLines.wordsFor(config.maxPendingLines)),
    trace: take(TraceRing.wordsFor(config.maxTraceRecords)),
    extents: take(ExtentPool.wordsFor(config.maxExtents)),
    nodes: take(NodePool.wordsFor(config.maxTreeNodes, config.treeNodeBits)),
    injector: take(Injector.WORDS),
    words: next,
  }
}

/** Kernel plus what only the layers above DAX use: pools to look into, the header. */
export interface Machine extends Kernel {
  readonly pageTable: UffdPageTable
  readonly handle: MachineHandle
  readonly addon: Addon
  readonly extentPool: ExtentPool
  readonly nodePool: NodePool
  /** A mount with stores: 'traced'. */
  readonly stores: StoreTrace | undefined
  /** A mount with rules of what is to fail (option inject), even if there are none at the moment. */
  readonly injector: Injector | undefined
}

/** Make the shared memory of a new mount. The pools are ready; descriptors and state are the mount's to fill in. */
export function createMachineBuffer(config: MountConfig): SharedArrayBuffer {
  assert(Counter.Count <= COUNTERS_MAX, 'more counters than a thread record has room for')
  const layout = layoutOf(config)
  const buffer = allocate(layout.words * 4)
  const words = new AtomicWords(buffer)
  words.set(HeaderWord.Magic, MAGIC)
  new PfnAllocator(words, layout.pfns, config.capacityPages).initialise()
  new ExtentPool(words, layout.extents, config.maxExtents).initialise()
  new NodePool(words, layout.nodes, config.maxTreeNodes, config.treeNodeBits).initialise()
  words.set(HeaderWord.AsyncUffd, -1)
  words.set(HeaderWord.FaultFuse, config.throwAtFault)
  words.set(HeaderWord.WakeFuse, config.loseWakeAt)
  if (config.inject !== undefined) new Injector(words, layout.injector, () => '').setRules(config.inject)
  return buffer
}

/**
 * What a mount commonly commits of its words. V8 counts no shared memory: who allocates little would hold closed mounts
 * for ever.
 */
const COMMITTED = 2 ** 20

/** Errors: ENOMEM. */
function allocate(bytes: number): SharedArrayBuffer {
  try {
    return new SharedArrayBuffer(bytes)
  } catch {
    const size = `${Math.ceil(bytes / 2 ** 20)} MiB`
    const reason = `no ${size} of address space for tables: raise ulimit -v, or lower capacity or maxTreeNodes`
    throw new PmemError('ENOMEM', 'mount', reason)
  }
}

/** Is this a handle as mount made it? Everything in it decides where in the words things are. */
export function isHandle(given: Partial<MachineHandle> | undefined): given is MachineHandle {
  const { buffer, config, root }: Partial<Record<keyof MachineHandle, unknown>> = given ?? {}
  if (!(buffer instanceof SharedArrayBuffer) || buffer.byteLength < HeaderWord.Size * 4) return false
  const words = new AtomicWords(buffer)
  if (words.load(HeaderWord.Magic) !== MAGIC) return false
  try {
    return words.load(HeaderWord.Handle) === hashOf(config, root)
  } catch {
    // Cycles, bigints: what JSON cannot say was never in a handle.
    return false
  }
}

/** Note what handles of this machine say. */
export function sealHandle(words: SharedWords, { config, root }: MachineHandle): void {
  words.store(HeaderWord.Handle, hashOf(config, root))
}

function hashOf(config: unknown, root: unknown): number {
  let hash = 0x811c9dc5
  for (const byte of new TextEncoder().encode(JSON.stringify([config, root]))) hash = Math.imul(hash ^ byte, 0x01000193)
  return hash | 0
}

/** The machine as the calling thread sees it; claims a thread record. Errors: EAGAIN when there is none. */
export function openMachine(plainAddon: Addon, handle: MachineHandle): Machine {
  const { buffer, config } = handle
  const addon = config.traced ? withStoreViews(plainAddon) : plainAddon
  const layout = layoutOf(config)
  plainAddon.countAsHeld(buffer, COMMITTED)
  const words: SharedWords = new AtomicWords(buffer, {
    at: HeaderWord.State,
    value: MachineState.Dead,
    error: () => new PmemError('EIO', 'wait', `the mount is dead: ${deathReason(words)}`),
    suspect: () => {
      const loss = lossOf(words, threads)
      if (loss !== undefined) declareDead(words, loss)
    },
  })
  const threads = new Threads(words, layout.threads, config.maxThreads)
  const self = threads.attach(addon.threadId())
  admit(words, threads, self)
  const inodes = new InodeTable(words, layout.inodes, config.maxFiles)
  const vmas = new VmaTable(words, layout.vmas, config.maxMappings, inodes)
  const extentPool = new ExtentPool(words, layout.extents, config.maxExtents)
  const nodePool = new NodePool(words, layout.nodes, config.maxTreeNodes, config.treeNodeBits)
  const pfns = new PfnAllocator(words, layout.pfns, config.capacityPages)
  const injector = config.inject === undefined ? undefined : injectorOf(words, layout, inodes)
  const extents = new ExtentTree(words, extentPool)
  const blocks =
    injector === undefined
      ? new BlockMap(extents, pfns)
      : new InjectedBlockMap(extents, pfns, injector, (root) => inodes.ofWord(root))
  const slots = new Slots(words, new ExtentTree(words, extentPool, true), HeaderWord.Slots)
  const pool = words.load(HeaderWord.PoolDirectory)
  const hostMedia = new HostFileMedia(addon, inodes, threads, self, pool, buffer)
  const media = mediaOf(config, hostMedia, injector, { addon, words, inodes, blocks })
  const uffds = { sync: words.load(HeaderWord.Uffd), async: words.load(HeaderWord.AsyncUffd) }
  const zeroes = getNumber(words, HeaderWord.Zeroes)
  const log = getNumber(words, HeaderWord.StoreLog)
  const stores = log === 0 ? undefined : new StoreTrace(addon, words, HeaderWord.StoreRecording, log, self)
  stores?.nameThread(addon.threadId())
  return {
    handle,
    addon,
    words,
    self,
    threads,
    waits: waitsOf(words, layout, config, threads),
    ranges: new RangeLock(words, threads),
    inodes,
    vmas,
    tree: new RadixTree(nodePool),
    blocks,
    slots,
    trace: new TraceRing(words, layout.trace, config.maxTraceRecords),
    flavour: FLAVOURS[config.flavour],
    hugePages: config.hugePages,
    faultAround: config.faultAround,
    blockCursor: new BlockCursor(),
    fault: new CurrentFault(),
    held: new HeldEntry(),
    batch: new WritebackBatch(),
    unfenced: new ExtentTree(words, extentPool, true),
    pfns,
    pending: new PendingLines(words, layout.pending, config.maxPendingLines, threads, inodes, media),
    pageTable: new UffdPageTable(addon, words, inodes, vmas, uffds, zeroes, slots, media, config.mediaLatency),
    media,
    locking: LOCKING_POLICIES[config.locking],
    extentPool,
    nodePool,
    stores,
    injector,
  }
}

/** How long the last to leave may take to find out that he is not: he looks at some words. */
const LEAVING_MS = 20_000

/** Wait until it is known whether the mount is being closed: fs/unmount.ts. Errors: EBADF when it is, EIO when dead. */
function admit(words: SharedWords, threads: Threads, self: number): void {
  const deadline = performance.now() + LEAVING_MS
  let isAdmitted = false
  try {
    while (words.load(HeaderWord.Leaving) === 1) {
      if (words.load(HeaderWord.State) === MachineState.Closed || performance.now() > deadline) {
        throw new PmemError('EBADF', 'attach', 'the mount is closed')
      }
      words.wait(HeaderWord.Leaving, 1, 10)
    }
    isAdmitted = true
  } finally {
    if (!isAdmitted) threads.release(self)
  }
}

/** What can be looked at without a part in the mount. */
export type WatchedMachine = Pick<Machine, 'words' | 'threads' | 'inodes' | 'tree'>

/** A mount for a thread that only looks at it, and may do so when nothing in it moves: it claims no thread record. */
export function openWatched(handle: MachineHandle): WatchedMachine {
  const { buffer, config } = handle
  const layout = layoutOf(config)
  const words = new AtomicWords(buffer)
  const nodes = new NodePool(words, layout.nodes, config.maxTreeNodes, config.treeNodeBits)
  return {
    words,
    threads: new Threads(words, layout.threads, config.maxThreads),
    inodes: new InodeTable(words, layout.inodes, config.maxFiles),
    tree: new RadixTree(nodes),
  }
}

function waitsOf(words: SharedWords, { waits }: Layout, config: MountConfig, threads: Threads): WaitTable {
  if (config.loseWakeAt === 0) return new WaitTable(words, waits, config.waitBuckets, threads)
  return new LossyWaitTable(words, waits, config.waitBuckets, threads, HeaderWord.WakeFuse)
}

function mediaOf(
  config: MountConfig,
  host: HostFileMedia,
  injector: Injector | undefined,
  { addon, words, inodes, blocks }: Pick<Machine, 'addon' | 'words' | 'inodes' | 'blocks'>,
): Media {
  if (config.zeroCopy === true) return new MappedMedia(addon, words, inodes, blocks, host)
  return injector === undefined ? host : new InjectedMedia(host, injector, inodes)
}

function injectorOf(words: SharedWords, layout: Layout, inodes: InodeTable): Injector {
  return new Injector(words, layout.injector, (inode) => inodes.nameOf(inode))
}

/** The trace of a mount and the names of its files, for a thread that only watches: it claims no thread record. */
export function openTrace(handle: MachineHandle): { trace: TraceRing; inodes: InodeTable } {
  const { buffer, config } = handle
  const layout = layoutOf(config)
  const words = new AtomicWords(buffer)
  return {
    trace: new TraceRing(words, layout.trace, config.maxTraceRecords),
    inodes: new InodeTable(words, layout.inodes, config.maxFiles),
  }
}

/** Set the state to Dead, with the reason for whoever calls next; the first reason stays. */
export function markDead(words: SharedWords, reason: string): void {
  if (words.cas(HeaderWord.State, MachineState.Live, MachineState.Dead) !== MachineState.Live) return
  const bytes = new TextEncoder().encode(reason).subarray(0, HeaderWord.DeathWords * 4)
  for (let i = 0; i < bytes.length; i++) words.or(HeaderWord.Death + (i >> 2), (bytes[i] as number) << ((i & 3) * 8))
  words.store(HeaderWord.DeathLength, bytes.length)
}

/** markDead, and say so on stderr. Context: any thread; needs no event loop. */
export function declareDead(words: SharedWords, reason: string): void {
  if (words.load(HeaderWord.State) !== MachineState.Live) return
  writeSync(2, `faultline: ${reason}; the mount is unusable from now on\n`)
  markDead(words, reason)
}

/** Has the fault handler failed? Locks it held are held for ever then: waiting for one is an EIO. */
export function isDead(words: SharedWords): boolean {
  return words.load(HeaderWord.State) === MachineState.Dead
}

/** Why the mount is dead. */
export function deathReason(words: SharedWords): string {
  const bytes = new Uint8Array(words.load(HeaderWord.DeathLength))
  // The addon, which has no words for it, has set the state: native/thread_end.cc.
  if (bytes.length === 0) return 'the thread that mounted the pool was terminated'
  for (let i = 0; i < bytes.length; i++) bytes[i] = words.load(HeaderWord.Death + (i >> 2)) >>> ((i & 3) * 8)
  return new TextDecoder().decode(bytes)
}
