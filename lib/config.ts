/**
 * Mount options, their defaults, and the numbers each thread needs to find its way in the shared words.
 *
 * Everything is sized at mount and never grows (D1): running out is an error that names the option. Memory is committed
 * only where it is touched, so the defaults are generous.
 */
import {
  requireAligned,
  requireBoolean,
  requireInteger,
  requireOneOf,
  requireOptions,
  requireRange,
  requireSize,
  wrongRange,
  wrongType,
} from './args.js'
import { Page, PFN_LIMIT } from './constants.js'
import { type InjectRule, type ResolvedRule, parseRules, resolveRules } from './inject-rules.js'

export interface MountOptions {
  /** Bytes of pmem, a number or a string such as '1GiB'. Default '16GiB'. A whole number of pages. */
  capacity?: number | string
  /** Threads that serve page faults. Default 2. */
  faultWorkers?: number
  /**
   * Where the threads that serve faults wait for the next. 'spin' (default): they look for it for a while before they
   * sleep, for a sleeper on another CPU takes long to come round. 'sleep': they sleep at once. 'colocate': the one
   * worker and every thread that faults are pinned to one CPU until the mount is closed, which is the quickest for a
   * program with one thread that faults, and wrong for any other.
   */
  placement?: Placement
  /**
   * What a completed fsync, msync or fdatasync means for the host: 'process' (default) that the bytes are in the media
   * file, safe from the death of this process; 'host' that they were fdatasync'ed too, safe from that of the host.
   */
  durability?: 'process' | 'host'
  /** Threads that may use the mount at once, fault workers included. Default 64. */
  maxThreads?: number
  /** Files known at once. Default 1024. */
  maxFiles?: number
  /** Mappings at once. Default 4096. */
  maxMappings?: number
  /** Nodes of the radix trees; one describes 64 neighbouring pages. Default 262144 (64 GiB of touched pages). */
  maxTreeNodes?: number
  /** Extents of block maps and unfenced writes. Default 262144. */
  maxExtents?: number
  /** Lines flushed and not yet fenced. Default 16384; more are written early, which a real cache may do too. */
  maxPendingLines?: number
  /** log2 of the slots in a tree node, 2 … 6. Default 6; small ones are for tests. */
  treeNodeBits?: number
  /** Buckets of the wait table, a power of two. Default 4096; 1 is for tests. */
  waitBuckets?: number
  /** Serve 2 MiB at once where mapping, file and blocks allow it, as DAX does. Default true. */
  hugePages?: boolean
  /**
   * Pages a fault of a load may map, its own included: a power of two up to 512, aligned to as many. Default 1, as DAX
   * does. More maps neighbours along if they are in the cache, known to the file as data, and need no work: a program
   * that walks through such pages takes fewer faults, and fault counts, traces and models of fault costs no longer say
   * one fault a page.
   */
  faultAround?: number
  /**
   * How the first store to a clean page is noticed. 'sync' (default): by a fault, as DAX does. 'async': by the host
   * alone (userfaultfd WP_ASYNC, Linux 6.7), at a tenth of the price; syncs and flushes ask it. It holds for shared
   * mappings without MAP_SYNC whose every page has a block when they are made; others stay 'sync'. What it gives up:
   * no fault, so no trace, no count and no change of mtime before the next sync; a load of a page whose block is gone,
   * or not yet written, allocates it, and is SIGBUS without space; each sync, and each flush of lines, looks through
   * the page tables of what it covers. Not with stores: 'traced' or placement: 'colocate'. The environment variable
   * FAULTLINE_DIRTY_TRACKING sets the default.
   */
  dirtyTracking?: DirtyTracking
  /** Which file system to be where ext4-dax and xfs-dax differ. Default 'ext4'. */
  flavour?: 'ext4' | 'xfs'
  /**
   * What keeps faults on one file apart, from each other and from truncate: 'entry' (default) the kernel's design of
   * today, an entry lock for each page; 'range' a range lock for both; 'inode' one lock for the whole file, as Linux
   * 4.3 had. The results are the same, what runs side by side is not: see `faultline bench locks`. The environment
   * variable FAULTLINE_LOCKING sets the default.
   */
  locking?: LockingName
  /** Most faults a worker takes at a time, 1 … 64. Default 64; 1 leaves none waiting behind another that is slow. */
  faultBatch?: number
  /**
   * Microseconds that bringing a page (or 2 MiB) from media into the cache for a fault takes on top of what it costs.
   * Default 0. For benchmarks and tests: it stands for a slow device, and leaves the CPU to others meanwhile.
   */
  mediaLatency?: number
  /**
   * How stores to shared mappings are seen. 'diff' (default): by comparing dirty pages with media, when it matters.
   * 'traced': each one, with its bytes and its place in the order of all of them, see Pmem.recordStores; a store then
   * costs microseconds, and system calls that store into a mapping (fs.readSync into it) fail with EFAULT.
   */
  stores?: 'diff' | 'traced'
  /** With stores: 'traced': bytes of records between two drains, address space until used. Default '1GiB'. */
  storeLogSize?: number | string
  /**
   * What the power failure of crash() spares. 'adr' (default): what was flushed and fenced. 'eadr': every store, as on
   * machines whose CPU caches are inside the persistence domain; flushes then only order. A kill of this process is
   * as on 'adr' all the same, but with zeroCopy.
   */
  domain?: 'adr' | 'eadr'
  /**
   * With domain: 'eadr' and the pool on tmpfs (else ENOTSUP): mappings map the media files themselves. A store is
   * durable when it is made: it survives the death of this process, not that of the host. Nothing is copied, by faults
   * or by syncs. Default false, since it trades away what two copies give: nothing is ever lost, so no program is
   * caught relying on it; counts of flushed and written lines, and linesAtRisk of crash(), are 0; who may write the
   * media file stores into the mappings; a load of a hole takes a page of tmpfs until the file is closed; when the
   * thread that mounted ends, mappings go on as plain memory instead of SIGBUS. Not with stores: 'traced', inject or
   * mediaLatency. The environment variable FAULTLINE_ZERO_COPY=1 sets the default of mounts that can have it.
   */
  zeroCopy?: boolean
  /**
   * Seconds after which a page fault that is not answered, or a call that does not return, is told once, on stderr,
   * with who holds what: 'warning FAULTLINE_STUCK'. Default 5; 0: never, and there is no thread that watches.
   */
  watchdog?: number
  /** Trace records kept for slow readers, a power of two. Default 16384. */
  maxTraceRecords?: number
  /**
   * Failures on purpose, to see what they do to the program: rules (lib/inject-rules.ts), also as `{ rules }`, or none,
   * [], when they come later: Pmem.inject. The environment variable FAULTLINE_INJECT, rules in words such as
   * 'media-write:EIO:nth=3,media-read:delay=50us', sets the default.
   */
  inject?: readonly InjectRule[] | InjectOptions
}

export type Placement = 'spin' | 'sleep' | 'colocate'

export const DIRTY_TRACKINGS = ['sync', 'async'] as const
export type DirtyTracking = (typeof DIRTY_TRACKINGS)[number]

export interface InjectOptions {
  rules?: readonly InjectRule[]
  /** The fault handler throws at its Nth fault (1: the first), as if it had a bug. */
  faultHandlerThrowsAt?: number
}

/** The locking policies: dax/locking.ts. */
export const LOCKING_NAMES = ['entry', 'range', 'inode'] as const
export type LockingName = (typeof LOCKING_NAMES)[number]

export const FAULT_BATCH_MAX = 64
const WATCHDOG_MAX_S = 3600
/** A second: longer, and a fault looks like a hang. */
const MEDIA_LATENCY_MAX = 1_000_000

/** All options resolved; plain numbers, so that it travels in the handle. */
export interface MountConfig {
  readonly capacityPages: number
  readonly faultWorkers: number
  readonly placement: Placement
  readonly syncHost: boolean
  readonly maxThreads: number
  readonly maxFiles: number
  readonly maxMappings: number
  readonly maxTreeNodes: number
  readonly maxExtents: number
  readonly maxPendingLines: number
  readonly treeNodeBits: number
  readonly waitBuckets: number
  readonly throwAtFault: number
  /** The environment variable FAULTLINE_LOSE_WAKE: see sync/lossy-wait-table.ts. */
  readonly loseWakeAt: number
  /** Undefined: nothing is ever injected. */
  readonly inject: readonly ResolvedRule[] | undefined
  readonly hugePages: boolean
  readonly faultAround: number
  /** Mappings may be tracked asynchronously. */
  readonly asyncTracking: boolean
  readonly flavour: 'ext4' | 'xfs'
  readonly locking: LockingName
  readonly faultBatch: number
  /** Microseconds. */
  readonly mediaLatency: number
  readonly maxTraceRecords: number
  /** Milliseconds; 0: nobody watches. */
  readonly watchdogMs: number
  readonly traced: boolean
  readonly storeLogBytes: number
  readonly eadr: boolean
  /** Media is what mappings map: 'ifPossible' is for mount to decide, and false or true afterwards. */
  readonly zeroCopy: boolean | 'ifPossible'
}

const OPTION_NAMES: readonly (keyof MountOptions)[] = [
  'capacity',
  'faultWorkers',
  'placement',
  'durability',
  'maxThreads',
  'maxFiles',
  'maxMappings',
  'maxTreeNodes',
  'maxExtents',
  'maxPendingLines',
  'treeNodeBits',
  'waitBuckets',
  'hugePages',
  'faultAround',
  'dirtyTracking',
  'flavour',
  'locking',
  'faultBatch',
  'mediaLatency',
  'maxTraceRecords',
  'watchdog',
  'stores',
  'storeLogSize',
  'domain',
  'zeroCopy',
  'inject',
]

/** Errors: TypeError, RangeError naming the option. */
export function resolveConfig(options: unknown): MountConfig {
  const given: MountOptions = requireOptions<MountOptions>('mount options', options ?? {}, OPTION_NAMES)
  const inject = injectOptions(given.inject)
  const capacity = requireSize('capacity', given.capacity ?? '16GiB')
  const capacityPages = requireAligned('capacity', capacity, Page.Size, 'the page size') / Page.Size
  requireRange('capacity', capacityPages, 1, PFN_LIMIT - Page.PmdPages, 'pages of 4096 bytes')
  const placement = requireOneOf('placement', given.placement ?? 'spin', ['spin', 'sleep', 'colocate'])
  const isAlone = placement === 'colocate'
  const faultWorkers = requireRange('faultWorkers', given.faultWorkers ?? (isAlone ? 1 : 2), 1, isAlone ? 1 : 64)
  const waitBuckets = requirePowerOfTwo('waitBuckets', given.waitBuckets ?? 4096)
  const traced = requireOneOf('stores', given.stores ?? 'diff', ['diff', 'traced']) === 'traced'
  const asyncTracking = resolveTracking(given.dirtyTracking, traced, isAlone)
  const rules = inject.rules === undefined ? rulesOfEnvironment() : resolveRules('inject', inject.rules)
  return {
    capacityPages,
    faultWorkers,
    placement,
    syncHost: requireOneOf('durability', given.durability ?? 'process', ['process', 'host']) === 'host',
    maxThreads: requireRange(
      'maxThreads',
      given.maxThreads ?? 64,
      faultThreads({ faultWorkers, asyncTracking }) + 1,
      1024,
    ),
    maxFiles: requireRange('maxFiles', given.maxFiles ?? 1024, 1, 1 << 16),
    maxMappings: requireRange('maxMappings', given.maxMappings ?? 4096, 1, 1 << 16),
    maxTreeNodes: requireRange('maxTreeNodes', given.maxTreeNodes ?? 1 << 18, 1, 1 << 24),
    maxExtents: requireRange('maxExtents', given.maxExtents ?? 1 << 18, 1, 1 << 24),
    maxPendingLines: requireRange('maxPendingLines', given.maxPendingLines ?? 1 << 14, 1, 1 << 24),
    treeNodeBits: requireRange('treeNodeBits', given.treeNodeBits ?? 6, 2, 6),
    waitBuckets,
    faultAround: requirePowerOfTwo('faultAround', given.faultAround ?? 1, Page.PmdPages),
    asyncTracking,
    hugePages: requireBoolean('hugePages', given.hugePages ?? true),
    flavour: requireOneOf('flavour', given.flavour ?? 'ext4', ['ext4', 'xfs']),
    locking: resolveLocking(given.locking),
    faultBatch: requireRange('faultBatch', given.faultBatch ?? FAULT_BATCH_MAX, 1, FAULT_BATCH_MAX),
    mediaLatency: requireRange('mediaLatency', given.mediaLatency ?? 0, 0, MEDIA_LATENCY_MAX, 'microseconds'),
    watchdogMs: requireSeconds('watchdog', given.watchdog ?? 5) * 1000,
    maxTraceRecords: requirePowerOfTwo('maxTraceRecords', given.maxTraceRecords ?? 1 << 14),
    traced,
    storeLogBytes: requireRange(
      'storeLogSize',
      requireSize('storeLogSize', given.storeLogSize ?? '1GiB'),
      Page.Size,
      2 ** 32,
      'bytes',
    ),
    eadr: requireOneOf('domain', given.domain ?? 'adr', ['adr', 'eadr']) === 'eadr',
    zeroCopy: resolveZeroCopy(given, rules !== undefined),
    throwAtFault: requireInteger('inject.faultHandlerThrowsAt', inject.faultHandlerThrowsAt ?? 0),
    loseWakeAt: requireRange('FAULTLINE_LOSE_WAKE', Number(process.env['FAULTLINE_LOSE_WAKE'] ?? 0), 0, 2 ** 30),
    inject: rules,
  }
}

function injectOptions(given: MountOptions['inject']): Partial<InjectOptions> {
  if (isRules(given)) return { rules: given }
  const known = ['faultHandlerThrowsAt', 'rules'] as const
  return requireOptions<InjectOptions>('inject', given ?? {}, known)
}

function isRules(given: MountOptions['inject']): given is readonly InjectRule[] {
  return Array.isArray(given)
}

function rulesOfEnvironment(): ResolvedRule[] | undefined {
  const text = process.env['FAULTLINE_INJECT']
  if (text === undefined) return undefined
  return resolveRules('FAULTLINE_INJECT', parseRules('FAULTLINE_INJECT', text))
}

function resolveLocking(given: unknown): LockingName {
  if (given !== undefined) return requireOneOf('locking', given, LOCKING_NAMES)
  return requireOneOf('FAULTLINE_LOCKING', process.env['FAULTLINE_LOCKING'] ?? 'entry', LOCKING_NAMES)
}

/** Threads that serve faults: mappings that are tracked asynchronously have as many of their own. */
export function faultThreads({
  faultWorkers,
  asyncTracking,
}: Pick<MountConfig, 'faultWorkers' | 'asyncTracking'>): number {
  return asyncTracking ? 2 * faultWorkers : faultWorkers
}

/** What the environment asks for is asked of mounts that can have it. */
function resolveTracking(given: unknown, traced: boolean, colocated: boolean): boolean {
  const isDefault = given === undefined
  const name = isDefault ? 'FAULTLINE_DIRTY_TRACKING' : 'dirtyTracking'
  const wanted = isDefault ? (process.env[name] ?? 'sync') : given
  const isAsync = requireOneOf(name, wanted, DIRTY_TRACKINGS) === 'async'
  if (!isAsync || isDefault) return isAsync && !traced && !colocated
  if (traced) throw new RangeError("dirtyTracking must be 'sync' with stores: 'traced', which sees each store itself")
  if (colocated) throw new RangeError("dirtyTracking must be 'sync' with placement: 'colocate', which has one worker")
  return true
}

/** As for tracking. What needs two copies of a file, or looks at how they differ, is refused beside it. */
function resolveZeroCopy(given: MountOptions, injects: boolean): boolean | 'ifPossible' {
  const isDefault = given.zeroCopy === undefined
  const wanted = isDefault
    ? requireOneOf('FAULTLINE_ZERO_COPY', process.env['FAULTLINE_ZERO_COPY'] ?? '0', ['0', '1']) === '1'
    : requireBoolean('zeroCopy', given.zeroCopy)
  if (!wanted) return false
  const reason = whyNotZeroCopy(given, injects)
  if (isDefault) return reason === undefined && given.domain !== 'adr' ? 'ifPossible' : false
  if (given.domain !== 'eadr')
    throw new RangeError("zeroCopy must be false unless domain is 'eadr': no store is ever lost with it")
  if (reason !== undefined) throw new RangeError(`zeroCopy must be false with ${reason}`)
  return true
}

function whyNotZeroCopy(given: MountOptions, injects: boolean): string | undefined {
  if (given.stores === 'traced') return "stores: 'traced', whose power failures compare media with a cache"
  if (injects) return 'inject, whose failures are of transfers between media and a cache'
  return (given.mediaLatency ?? 0) > 0 ? 'mediaLatency, which delays transfers from media to a cache' : undefined
}

function requireSeconds(name: string, value: unknown): number {
  if (typeof value === 'number' && value >= 0 && value <= WATCHDOG_MAX_S) return value
  if (typeof value !== 'number') throw wrongType(name, 'a number of seconds', value)
  throw wrongRange(name, `from 0 to ${WATCHDOG_MAX_S} seconds`, value)
}

function requirePowerOfTwo(name: string, value: unknown, max = 1 << 20): number {
  const number = requireRange(name, value, 1, max)
  if ((number & (number - 1)) !== 0) throw new RangeError(`${name} must be a power of two but received ${number}`)
  return number
}
