/** A mounted pool, as one thread sees it. */
import {
  requireBoolean,
  requireInteger,
  requireOneOf,
  requireOptions,
  requireRange,
  requireSize,
  requireString,
  wrongRange,
  wrongType,
} from '../args.js'
import { Page } from '../constants.js'
import { FailedRange, memoryFailure } from '../dax/memory-failure.js'
import { ErrorNumber, PmemError, checkResult } from '../errors.js'
import { settle } from '../fault/settle.js'
import { HeaderWord, type Machine, type MachineHandle, MachineState } from '../fault/machine.js'
import { type InjectRule, resolveRules } from '../inject-rules.js'
import type { MountStats } from '../stats.js'
import { DaxFile, type FileOwner } from './dax-file.js'
import type { DaxMapping } from './dax-mapping.js'
import { getInode, putInode, withLiveInodes } from './inode-cache.js'
import { type BadBlock, clearErrors, filesWithErrors, injectErrors, listBadBlocks } from './memory-errors.js'
import { collectStats } from './mount-stats.js'
import { renameFile, unlinkFile } from './names.js'
import { isValidName, listMounted } from './pool-directory.js'
import type { InjectCounts, Injector } from '../media/injector.js'
import { type CrashReport, type Survival, losePower } from './power-failure.js'
import { Failures } from './failures.js'
import type { StoreSink } from '../persist/store-sink.js'
import { type RecordOptions, StoreRecorder, resolveRecording } from './store-recording.js'
import { syncFile } from './sync.js'
import { SystemCalls } from './system-calls.js'
import { ifEnded, loseMount, passDoor } from './time-limit.js'
import { TraceFeed, type TraceListener } from './trace-feed.js'
import { type TracePrint, startTracePrint } from './trace-print.js'
import { type VerifyReport, verifyMachine } from './verify-machine.js'
import { endService, isLastToLeave, unmount } from './unmount.js'
import { type OpenMount, addOpenMount, openHere, removeOpenMount } from './open-mounts.js'

export interface OpenOptions {
  /** Make the file if it is not there. Default false. */
  create?: boolean
  /** With create: fail with EEXIST if it is there. */
  exclusive?: boolean
  /** Bytes, or a string such as '64MiB', of a file that is created; one that exists keeps its size. Default 0. */
  size?: number | string
  /** Refuse stores and writes through this open. */
  readOnly?: boolean
  /** Permission bits of a file that is created. Default 0o600. */
  mode?: number
  /** Address space to reserve: how far the file may grow while it is open. Default: twice its size, at least 16 GiB. */
  maxSize?: number | string
}

export interface CrashOptions {
  /** What reaches media of what was not fenced: 'none' (default), 'all', or each line by chance. */
  survive?: Survival
  /** For 'random': the same seed and the same stores give the same image. Default 0. */
  seed?: number
}

/** What another thread of this process needs to attach: can be posted to it. */
export interface MountHandle {
  readonly faultline: 1
  readonly machine: MachineHandle
}

export interface PoisonOptions {
  /** Nobody knows of the errors before an access comes across them; badBlocks() does not list them. Default false. */
  latent?: boolean
}

/** The known memory errors of a file. */
export interface FileBadBlocks {
  readonly file: string
  readonly blocks: readonly BadBlock[]
}

/** What a memory failure hit. Offsets and lengths are bytes of the file. */
export interface MemoryFailure {
  readonly file: string
  /** Of the bad page. */
  readonly offset: number
  /** What was taken out of all page tables: the page, or the 2 MiB of its entry. */
  readonly unmapped: { readonly offset: number; readonly length: number }
}

const OPEN_OPTIONS: readonly (keyof OpenOptions)[] = ['create', 'exclusive', 'size', 'readOnly', 'mode', 'maxSize']

/** Bytes of a file, at least one. */
function requireByteRange(offset: unknown, length: unknown): [offset: number, length: number] {
  const start = requireRange('offset', offset, 0, Number.MAX_SAFE_INTEGER, 'bytes')
  return [start, requireRange('length', length, 1, Number.MAX_SAFE_INTEGER - start, 'bytes')]
}

function holdByName(machine: Machine, name: string, readOnly: boolean): number {
  return getInode(machine, { name, readOnly, create: false, exclusive: false, size: 0, mode: 0, maxSize: 0 }).inode
}

/** Bytes of a label or an id. */
const WORDS_MAX = 4096

export class Pmem implements Disposable, FileOwner, OpenMount {
  /** @internal */
  readonly calls: SystemCalls
  readonly #machine: Machine
  readonly #files = new Set<DaxFile>()
  readonly #mappings = new Set<DaxMapping>()
  readonly #recorders = new Set<StoreRecorder>()
  readonly #traceFeed: TraceFeed
  readonly #tracePrint: TracePrint | undefined
  readonly #mounted: boolean
  #closed = false

  /** Made by mount and attach. */
  constructor(machine: Machine, mounted: boolean) {
    this.#machine = machine
    this.#traceFeed = new TraceFeed(machine.handle)
    this.#tracePrint = mounted ? startTracePrint(machine.handle) : undefined
    this.calls = new SystemCalls(machine)
    this.#mounted = mounted
    addOpenMount(this)
  }

  /** Absolute path of the pool directory. */
  get root(): string {
    return this.#machine.handle.root
  }

  get isClosed(): boolean {
    return this.#closed
  }

  /** For another thread of this process: attach(handle). Post it as it is. */
  get handle(): MountHandle {
    return { faultline: 1, machine: this.#machine.handle }
  }

  /**
   * Open a file of the pool.
   * Errors: ENOENT, EEXIST, EACCES, ENFILE (maxFiles), ELOOP, EINVAL (not a regular file), EBADF; TypeError,
   * RangeError.
   */
  open(name: string, options: OpenOptions = {}): DaxFile {
    this.#requireName(name)
    const given = requireOptions<OpenOptions>('open options', options, OPEN_OPTIONS)
    const readOnly = requireBoolean('readOnly', given.readOnly ?? false)
    const maxSize = requireSize('maxSize', given.maxSize ?? 0)
    const request = {
      name,
      readOnly,
      maxSize,
      create: requireBoolean('create', given.create ?? false),
      exclusive: requireBoolean('exclusive', given.exclusive ?? false),
      size: requireSize('size', given.size ?? 0),
      mode: requireRange('mode', given.mode ?? 0o600, 0, 0o777),
    }
    return this.#run('open', (machine) => {
      const { inode } = getInode(machine, request)
      machine.stores?.named(inode, new TextEncoder().encode(name))
      const file = new DaxFile(this, inode, name, readOnly)
      this.#files.add(file)
      return file
    })
  }

  /** Names of the files in the pool, sorted. */
  list(): string[] {
    return this.#run('readdir', (machine) => listMounted(machine, 'readdir'))
  }

  /** Remove a name. Opens and mappings of the file stay usable; its blocks go with the last of them. */
  unlink(name: string): void {
    this.#requireName(name)
    this.#run('unlink', (machine) => checkResult(unlinkFile(machine, name), 'unlink', name))
  }

  /**
   * Give a file another name. A file that has it loses it, as by unlink.
   * Errors: ENOENT; ENFILE (maxFiles); EACCES, EROFS… of the host; RangeError, TypeError for names.
   */
  rename(from: string, to: string): void {
    this.#requireName(from)
    this.#requireName(to)
    this.#run('rename', (machine) => checkResult(renameFile(machine, from, to), 'rename', from))
  }

  /** sfence: what this thread flushed before is durable when it returns (drain). */
  fence(): void {
    this.#requireOpen('fence')
    this.calls.fence()
  }

  /** fence by the name libpmem2 has for it. */
  drain(): void {
    this.fence()
  }

  /**
   * The program says what it does from here on: what is recorded of this thread after it belongs to the label. Nothing
   * else happens, and nothing at all while nobody records. label: at most 4096 bytes of UTF-8.
   */
  mark(label: string): void {
    this.#say('mark', 'label', label)
  }

  /**
   * The program has told its user that something is done: it must survive from here on. id: what, as its checker will
   * know it; at most 4096 bytes of UTF-8.
   */
  acknowledged(id: string): void {
    this.#say('acknowledged', 'id', id)
  }

  /**
   * Record what a power failure depends on from here on: each store of each thread to a shared mapping, write(), flush,
   * fence, msync and fsync, and the program's marks, in one order. The sink is called by drain and stop of what is
   * returned, in this thread, never in between.
   *
   * Needs a mount with stores: 'traced'. One recording of a mount at a time. Threads have the mount's numbers; msync,
   * fsync and write() act for a file and are those of a thread of their own, number -file; 0 is a thread that is not
   * attached to the mount.
   * Errors: ENOTSUP (the mount does not trace), EBUSY (being recorded), EBADF; TypeError, RangeError.
   */
  recordStores(sink: StoreSink, options?: RecordOptions): StoreRecorder {
    const request = resolveRecording(sink, options)
    this.#requireOpen('recordStores')
    this.calls.requireAlive('recordStores')
    return this.calls.within('recordStores', (machine) => {
      const recorder = new StoreRecorder(machine, request, (stopped) => this.#recorders.delete(stopped))
      this.#recorders.add(recorder)
      return recorder
    })
  }

  /** sync(2): every file of the mount. Errors: the first one met; the others are synced all the same. */
  sync(): void {
    this.#run('sync', (machine) => {
      const errors = withLiveInodes(machine, (inodes) => inodes.map((inode) => syncFile(machine, inode)))
      checkResult(errors.find((error) => error < 0) ?? 0, 'sync')
    })
  }

  /**
   * Power failure, here and now, for all threads of the mount: media keeps what was fenced, and of the rest what
   * `survive` says. Mappings and open files stay and show what survived; private copies are gone.
   *
   * Return: how many lines were at risk, survived, were lost. Source: fs/power-failure.ts.
   */
  crash(options: CrashOptions = {}): CrashReport {
    const given = requireOptions<CrashOptions>('crash options', options, ['survive', 'seed'])
    const survive = requireOneOf('survive', given.survive ?? 'none', ['none', 'all', 'random'])
    const seed = requireInteger('seed', given.seed ?? 0)
    this.#requireOpen('crash')
    this.calls.requireAlive('crash')
    return this.calls.within('crash', (machine) => {
      const { injector } = machine
      const lose = (): CrashReport => losePower(machine, survive, seed)
      return injector === undefined ? lose() : injector.quietly(lose)
    })
  }

  /**
   * Memory errors in a file: the blocks of 512 bytes that the range lies in go bad, where the file has written blocks
   * (ndctl inject-error). From then on, and after a remount: loads and stores of their pages are SIGBUS, in every
   * mapping and thread (tryRead, tryWrite: EIO); read() is EIO; what was stored to them and not synced is lost, and the
   * next sync says so. They go by writing whole pages with write(), by punch, zero range, truncate, or clearPoison().
   *
   * file: open in this mount, or a name. Return: bad blocks of 512 bytes in the range, 0 when all of it is holes.
   * Errors: RangeError, TypeError; ENOENT, ENFILE, EBADF; ENOSPC… of the host for the list that is kept.
   * Source: K97–K99, dax/poison-blocks.ts.
   */
  poison(file: DaxFile | string, offset: number, length: number, options: PoisonOptions = {}): number {
    const given = requireOptions<PoisonOptions>('poison options', options, ['latent'])
    const latent = requireBoolean('latent', given.latent ?? false)
    const [start, bytes] = requireByteRange(offset, length)
    return this.#withFile('poison', file, true, (machine, inode) => injectErrors(machine, inode, start, bytes, latent))
  }

  /**
   * A machine check for a page frame: find who maps it, mark it bad, take it out of all page tables (memory_failure).
   * pfn: see DaxFile.pfnAt and FileStat.extents. A page in a 2 MiB entry takes the mapping of all of it.
   *
   * Return: what it hit. Errors: EBUSY when no entry maps the page, so that nobody can have met the error: nothing is
   * marked then; RangeError, TypeError. Source: K95, K97, dax/memory-failure.ts.
   */
  memoryFailure(pfn: number): MemoryFailure {
    const page = requireRange('pfn', pfn, 0, Number.MAX_SAFE_INTEGER)
    return this.#run('memoryFailure', (machine) => {
      const range = new FailedRange()
      const error = memoryFailure(machine, page, range)
      if (error === -ErrorNumber.EBUSY) {
        throw new PmemError('EBUSY', 'memoryFailure', `no entry maps page frame ${page}`)
      }
      checkResult(error, 'memoryFailure', range.name)
      const { name, pgoff, first, pages } = range
      const unmapped = { offset: first * Page.Size, length: pages * Page.Size }
      return { file: name, offset: pgoff * Page.Size, unmapped }
    })
  }

  /**
   * Known memory errors: of one file, or of every file of the pool that has any. Latent ones are not known.
   * Errors: ENOENT, ENFILE, EBADF; RangeError, TypeError.
   */
  badBlocks(): FileBadBlocks[]
  badBlocks(file: DaxFile | string): FileBadBlocks
  badBlocks(file?: DaxFile | string): FileBadBlocks | FileBadBlocks[] {
    if (file === undefined) {
      const suspects = this.#run('badBlocks', (machine) => filesWithErrors(machine))
      return suspects.map((name) => this.badBlocks(name)).filter(({ blocks }) => blocks.length > 0)
    }
    return this.#withFile('badBlocks', file, true, (machine, inode) => {
      return { file: typeof file === 'string' ? file : file.name, blocks: listBadBlocks(machine, inode) }
    })
  }

  /**
   * Repair the blocks of 512 bytes that the range lies in (ndctl clear-errors): they read zero. What was stored around
   * them in their pages is as it was, once a page has no bad block left.
   *
   * Return: blocks of 512 bytes that were bad. Errors: as poison; EACCES, EIO, ENOSPC… of the media.
   */
  clearPoison(file: DaxFile | string, offset: number, length: number): number {
    const [start, bytes] = requireByteRange(offset, length)
    return this.#withFile('clearPoison', file, false, (machine, inode) => clearErrors(machine, inode, start, bytes))
  }

  /**
   * These failures from now on, in all threads of the mount, and none of those before: see the mount option inject,
   * which the mount must have been made with, `inject: []` at least. All counts begin anew. [] ends it.
   *
   * Not hit are power failures made by crash(). Errors: ENOTSUP (mounted without inject), EBADF; TypeError, RangeError.
   */
  inject(rules: readonly InjectRule[]): void {
    const resolved = resolveRules('rules', rules)
    this.#requireOpen('inject')
    const injector = this.#requireInjector('inject')
    this.calls.within('inject', () => injector.setRules(resolved))
  }

  /**
   * How many operations of each kind there were since the mount, or the last inject(), how many of them an injected
   * error hit, and how many were delayed. Can be asked after close too, which writes back. So a loop can fail the
   * first, the second, the third… until nothing was left to fail.
   *
   * Errors: ENOTSUP (mounted without inject).
   */
  injected(): InjectCounts {
    return this.#requireInjector('injected').counts()
  }

  /** Counters since the mount, of all threads, and what is in use of the fixed pools. */
  stats(): MountStats {
    this.#requireOpen('stats')
    this.calls.requireAlive('stats')
    return collectStats(this.#machine)
  }

  /**
   * Check every invariant of the mount: trees, entry locks, marks, blocks and their owners, page tables, clean pages
   * against media, pools. Calls of other threads wait meanwhile, and so do their faults on the file being looked at.
   *
   * Return: how much was looked at. Errors: BugError with a dump of what is wrong. Source: fs/verify-machine.ts.
   */
  verify(): VerifyReport {
    this.#requireOpen('verify')
    this.calls.requireAlive('verify')
    return this.calls.within('verify', verifyMachine)
  }

  /**
   * Be told what the kernel does from now on, whichever thread makes it do it. Listeners are called from the event
   * loop, a few times in a hundred milliseconds; drainTrace, off and close deliver what has happened until then at
   * once. While nobody listens events cost next to nothing. A listener that is too slow is told how many it has lost.
   */
  on(event: 'trace', listener: TraceListener): this {
    requireOneOf('event', event, ['trace'])
    this.#requireOpen('trace')
    this.#traceFeed.add(listener)
    return this
  }

  /** Stop telling a listener. */
  off(event: 'trace', listener: TraceListener): this {
    requireOneOf('event', event, ['trace'])
    this.#traceFeed.remove(listener)
    return this
  }

  /** Call the listeners for everything that has happened until now. */
  drainTrace(): void {
    if (!this.#closed) settle(this.#machine)
    this.#traceFeed.drain()
  }

  /**
   * Leave the mount: unmap and close what this thread has. The last thread to leave unmounts: everything is written
   * back, workers stop, the pool is free for others. Order of close of files, mappings and mount does not matter.
   *
   * Errors: of the final sync (EIO, ENOSPC…), what a trace listener or a sink throws, after everything was torn down
   * all the same; none of a sync when the mount is dead.
   */
  close(): void {
    const error = this.#leave(true)
    if (error !== undefined) throw error
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** @internal */
  fileClosed(file: DaxFile): void {
    this.#files.delete(file)
  }

  /** @internal */
  mappingMade(mapping: DaxMapping): void {
    this.#mappings.add(mapping)
  }

  /** @internal */
  mappingGone(mapping: DaxMapping): void {
    this.#mappings.delete(mapping)
  }

  /** @internal */
  get machine(): Machine {
    return this.#machine
  }

  /** @internal */
  leaveAtExit(): void {
    if (this.#mounted && this.#machine.threads.users() > 1) endService(this.#machine)
    this.#leave(false)
  }

  /** @internal The last events are delivered. */
  endTrace(): void {
    if (this.#machine.trace.isOn && this.#machine.words.load(HeaderWord.State) === MachineState.Live)
      settle(this.#machine)
    try {
      this.#traceFeed.close()
    } finally {
      this.#tracePrint?.stop()
    }
  }

  /** sync: write back when this is the last to leave. Return: what the final sync met. */
  #leave(sync: boolean): PmemError | undefined {
    if (this.#closed) return undefined
    passDoor(this.#machine)
    const left = ifEnded(() => loseMount(this.#machine))
    try {
      return this.#tearDown(sync)
    } finally {
      left()
    }
  }

  #tearDown(sync: boolean): PmemError | undefined {
    this.#closed = true
    removeOpenMount(this)
    const machine = this.#machine
    // While files still have names. What listeners and sinks throw must not keep the mount.
    const failures = new Failures()
    failures.of(() => this.#traceFeed.drain())
    this.#tracePrint?.flush()
    for (const recorder of [...this.#recorders]) failures.of(() => recorder.stop())
    for (const mapping of [...this.#mappings]) mapping.unmap()
    for (const file of [...this.#files]) file.close()
    machine.stores?.nameThread(0)
    for (const other of openHere(machine)) other.stores?.nameThread(machine.addon.threadId())
    const error = isLastToLeave(machine) ? unmount(machine, sync) : undefined
    failures.of(() => this.endTrace())
    failures.throwFirst()
    return error
  }

  /** A call about a file that is open here, or that is opened for it. Errors: those of open; PmemError for -errno. */
  #withFile<Result>(
    syscall: string,
    file: DaxFile | string,
    readOnly: boolean,
    call: (machine: Machine, inode: number) => Result,
  ): Result {
    const name = typeof file === 'string' ? file : this.#requireFile(syscall, file).name
    if (typeof file === 'string') this.#requireName(file)
    return this.#run(syscall, (machine) => {
      const inode = typeof file === 'string' ? holdByName(machine, file, readOnly) : file.inode
      try {
        const result = call(machine, inode)
        if (typeof result === 'number') checkResult(result, syscall, name)
        return result
      } finally {
        if (typeof file === 'string') putInode(machine, inode)
      }
    })
  }

  #requireFile(syscall: string, file: unknown): DaxFile {
    if (!(file instanceof DaxFile)) throw wrongType('file', 'a file of this mount, or the name of one', file)
    if (!file.isOpen) throw new PmemError('EBADF', syscall, 'the file is closed', file.name)
    if (!this.#files.has(file)) throw wrongRange('file', 'a file this mount has open', file.name)
    return file
  }

  #say(syscall: 'mark' | 'acknowledged', name: string, value: string): void {
    const text = requireString(name, value)
    this.#requireOpen(syscall)
    const { stores } = this.#machine
    if (stores === undefined && text.length * 3 <= WORDS_MAX) return
    const bytes = new TextEncoder().encode(text)
    if (bytes.length > WORDS_MAX) throw wrongRange(name, `at most ${WORDS_MAX} bytes`, `${bytes.length} bytes`)
    if (stores === undefined || stores.recording === 0) return
    stores[syscall](bytes, this.calls.here())
  }

  #requireInjector(syscall: string): Injector {
    const { injector } = this.#machine
    if (injector !== undefined) return injector
    throw new PmemError('ENOTSUP', syscall, 'the pool was mounted without the option inject')
  }

  #requireOpen(syscall: string): void {
    if (this.#closed) throw new PmemError('EBADF', syscall, 'the mount is closed', this.root)
  }

  #requireName(name: unknown): void {
    const text = requireString('name', name)
    if (isValidName(text)) return
    throw new RangeError(`name must be a file name without '/' that does not start with '.' but received '${text}'`)
  }

  #run<Result>(syscall: string, call: (machine: Machine) => Result): Result {
    this.#requireOpen(syscall)
    return this.calls.run(syscall, call)
  }
}

/** The machine behind a mount, for tests and tools that look inside. Not part of the public surface. */
export function machineOf(pmem: Pmem): Machine {
  return pmem.calls.machine
}
