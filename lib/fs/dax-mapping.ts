/** A mapping of a file: the memory itself, and the calls that act on it. */
import {
  requireAligned,
  requireBoolean,
  requireBuffer,
  requireOneOf,
  requireOptions,
  requireRange,
  requireSize,
} from '../args.js'
import { constants as bufferConstants } from 'node:buffer'
import type { DirtyTracking } from '../config.js'
import { Page } from '../constants.js'
import { flushRange } from '../dax/flush-range.js'
import { ErrorNumber, PmemError, checkResult } from '../errors.js'
import type { Machine } from '../fault/machine.js'
import { holdInode, putInode } from './inode-cache.js'
import { accessMapping, isWritable } from './mapping-access.js'
import { PREFETCH_BYTES, prefetchPiece } from './prefetch.js'
import type { SystemCalls } from './system-calls.js'
import { ADVICE, MremapFlag, MsyncFlag, PROTECTIONS, type AdviceName, type Protection, pageAlign } from './vm/abi.js'
import { vmMadvise } from './vm/advise.js'
import { vmMincore } from './vm/look.js'
import { vmMunmap } from './vm/map.js'
import { vmMlock, vmMunlock } from './vm/populate.js'
import { vmMprotect } from './vm/protect.js'
import { vmMremap } from './vm/remap.js'
import { vmMsync } from './vm/sync.js'
import type { WritebackErrors } from './writeback-errors.js'

/** What the mapping was made with. */
export interface MappingInfo {
  /** Byte offset in the file of the first byte of the buffer. */
  readonly offset: number
  readonly sharing: 'shared' | 'private'
  /** As it was made; mprotect changes parts of it. */
  readonly protection: Protection
  /** MAP_SYNC. */
  readonly sync: boolean
  /** How first stores through it are noticed (mount option dirtyTracking): 'async' where that was possible. */
  readonly dirtyTracking: DirtyTracking
}

export interface MsyncOptions {
  /** 'sync' (default) writes back; 'async' and 'invalidate' are accepted and do nothing, as on DAX. */
  mode?: 'sync' | 'async' | 'invalidate'
  /** MS_INVALIDATE besides the mode: nothing more happens. Default false. */
  invalidate?: boolean
}

export interface MremapOptions {
  /** MREMAP_MAYMOVE (default true): without it a mapping that has no room to grow is ENOMEM. */
  mayMove?: boolean
}

/** How DaxMapping.copy and fill store; what libpmem2 says with PMEM2_F_MEM_… flags. */
export interface StoreOptions {
  /** Stores past the caches: they need no flush, and have no order until the fence (NONTEMPORAL). Default false. */
  nonTemporal?: boolean
  /** Fence at the end. With false (NODRAIN) the bytes are durable after the thread's next fence. Default true. */
  drain?: boolean
}

/** What fill has in memory at a time. */
const FILL_BYTES = 1 << 16

function storeOptions(options: StoreOptions | undefined): Required<StoreOptions> {
  const given = requireOptions<StoreOptions>('store options', options, ['nonTemporal', 'drain'])
  return {
    nonTemporal: requireBoolean('nonTemporal', given.nonTemporal ?? false),
    drain: requireBoolean('drain', given.drain ?? true),
  }
}

const MSYNC_MODES = { sync: MsyncFlag.Sync, async: MsyncFlag.Async, invalidate: MsyncFlag.Invalidate } as const

/**
 * Options and buffers may be the program's own code: getters, properties in place of those of a view. Every call here
 * reads them first and looks at the mapping afterwards, so that a getter that unmaps makes the call an EBADF.
 */
export class DaxMapping implements Disposable {
  readonly #calls: SystemCalls
  readonly #inode: number
  readonly #errors: WritebackErrors
  readonly #info: MappingInfo
  #address: number
  #length: number
  #buffer: ArrayBuffer
  readonly #onUnmap: (mapping: DaxMapping) => void
  #mapped = true

  /**
   * Made by DaxFile.mmap. Holds a reference on the inode of its own: parts of the mapping may be gone before it is.
   * Errors: ENOMEM when the engine has no room for the buffer; then the memory is the caller's to unmap.
   */
  constructor(
    calls: SystemCalls,
    inode: number,
    errors: WritebackErrors,
    address: number,
    length: number,
    info: MappingInfo,
    onUnmap: (mapping: DaxMapping) => void,
  ) {
    this.#calls = calls
    this.#inode = inode
    this.#errors = errors
    this.#address = address
    this.#length = length
    this.#info = info
    this.#onUnmap = onUnmap
    this.#buffer = calls.machine.addon.createArrayBuffer(address, length)
    holdInode(calls.machine, inode)
  }

  /**
   * The memory. Loads and stores through any view of it are loads and stores of pmem. Detached (length 0) by unmap,
   * and by mremap, after which it is another buffer. It cannot be transferred; structuredClone and postMessage copy
   * it, which reads every page.
   */
  get buffer(): ArrayBuffer {
    return this.#buffer
  }

  get byteLength(): number {
    return this.#mapped ? this.#length : 0
  }

  get mapped(): boolean {
    return this.#mapped
  }

  /** Where the memory is: a virtual address of this process, as traces show it. */
  get address(): number {
    return this.#address
  }

  get info(): MappingInfo {
    return this.#info
  }

  /**
   * msync(MS_SYNC): what was stored to these bytes, through any mapping of the file, is durable when it returns. Works
   * in whole pages, as the kernel does: other bytes of the same pages become durable too.
   *
   * offset: of the mapping, a multiple of 4096; length: bytes, default: to the end. A private mapping writes nothing.
   * Source: vfs_fsync_range of the range (K70, FACTS 6). Errors: RangeError, TypeError; ENOMEM (a part was unmapped),
   * EIO, ENOSPC… of the media: each error once for each open of the file, see DaxFile.sync.
   */
  msync(offset = 0, length?: number, options?: MsyncOptions): void {
    const given = requireOptions<MsyncOptions>('msync options', options, ['mode', 'invalidate'])
    const mode = requireOneOf('mode', given.mode ?? 'sync', ['sync', 'async', 'invalidate'])
    const invalidate = requireBoolean('invalidate', given.invalidate ?? false) ? MsyncFlag.Invalidate : 0
    const [start, bytes] = this.#requirePages('msync', offset, length)
    this.#calls.run('msync', (machine) => {
      const result = vmMsync(machine, this.#address + start, bytes, MSYNC_MODES[mode] | invalidate)
      const syncs = mode === 'sync' && this.#info.sharing === 'shared'
      if (syncs && result !== -ErrorNumber.ENOMEM) this.#errors.report(machine, result, 'msync')
      else checkResult(result, 'msync')
    })
  }

  /**
   * Put the changed cache lines that overlap these bytes on their way to media (clwb). Not durable yet: pmem.fence().
   * What is stored to a line after its flush is not covered.
   *
   * Return: lines that had changed. Errors: EIO (a bad page), RangeError, TypeError.
   */
  flush(offset = 0, length?: number): number {
    const [start, bytes] = this.#requirePart('flush', offset, length)
    return this.#flush(start, bytes, true)
  }

  /** sfence of this thread, as Pmem.fence: what it flushed through any mapping is durable when it returns. */
  drain(): void {
    this.#requireOffset('drain', 0)
    this.#calls.fence()
  }

  /** flush and fence: what these bytes are now is durable when it returns. */
  persist(offset = 0, length?: number): void {
    this.flush(offset, length)
    this.#calls.fence()
  }

  /**
   * persist, and fdatasync of the media file on the host: the bytes are safe from a power failure of the host too
   * (pmem2_deep_flush). Errors: as flush; EIO… of the host.
   */
  deepSync(offset = 0, length?: number): void {
    this.persist(offset, length)
    this.#run('deepSync', (machine) => machine.media.syncMedia(this.#inode))
  }

  /**
   * memmove into the mapping, flushed and fenced: durable when it returns (pmem2_memmove).
   *
   * offset: in the mapping; source: may be a mapping, this one too.
   * Errors: those of tryWrite, what was stored before the byte that failed stays stored; those of flush.
   */
  copy(offset: number, source: ArrayBufferView | ArrayBuffer | SharedArrayBuffer, options?: StoreOptions): void {
    const bytes = requireBuffer('source', source)
    const how = storeOptions(options)
    const start = this.#requireWritable('copy', offset)
    requireRange('length', bytes.length, 0, this.#length - start, 'bytes')
    this.#store('copy', start, bytes, how)
  }

  /** memset, flushed and fenced (pmem2_memset). value: 0 … 255. Errors: as copy. */
  fill(offset: number, length: number, value: number, options?: StoreOptions): void {
    const { nonTemporal, drain } = storeOptions(options)
    const start = this.#requireWritable('fill', offset)
    requireRange('length', length, 0, this.#length - start, 'bytes')
    requireRange('value', value, 0, 255)
    const piece = Buffer.alloc(Math.min(length, FILL_BYTES), value)
    for (let done = 0; done < length; done += piece.length) {
      const bytes = piece.subarray(0, Math.min(piece.length, length - done))
      this.#store('fill', start + done, bytes, { nonTemporal, drain: false })
    }
    if (drain) this.#calls.fence()
  }

  /**
   * Load bytes without the risk of SIGBUS: what a plain load past EOF or from a bad page would die of is an error
   * here.
   *
   * length: bytes to read, or the buffer to fill. Return: the bytes, or the buffer given.
   * Errors: EIO with `offset` of the first byte that could not be read, in the mapping; EACCES (protection), EFAULT
   * (that part was unmapped), with `offset` too; RangeError, TypeError.
   */
  tryRead(offset: number, length: number): Uint8Array
  tryRead<Target extends ArrayBufferView>(offset: number, target: Target): Target
  tryRead(offset: number, into: number | ArrayBufferView): ArrayBufferView {
    const given = typeof into === 'number' ? undefined : requireBuffer('target', into)
    const start = this.#requireOffset('tryRead', offset)
    const length = requireRange('length', given?.length ?? into, 0, this.#length - start, 'bytes')
    const bytes = given ?? new Uint8Array(length)
    this.#guarded('tryRead', start, bytes.length, (addon, address) =>
      addon.copyMemory(addon.addressOf(bytes), address, bytes.length),
    )
    return typeof into === 'number' ? bytes : into
  }

  /**
   * Store bytes without the risk of SIGBUS. What was stored before the byte that failed stays stored.
   * Errors: EIO with `offset`, as tryRead: past EOF, no space for the block, a bad page. EACCES on a read-only
   * mapping.
   */
  tryWrite(offset: number, source: ArrayBufferView | ArrayBuffer | SharedArrayBuffer): void {
    const bytes = requireBuffer('source', source)
    const start = this.#requireWritable('tryWrite', offset)
    requireRange('length', bytes.length, 0, this.#length - start, 'bytes')
    this.#guarded('tryWrite', start, bytes.length, (addon, address) =>
      addon.copyMemory(address, addon.addressOf(bytes), bytes.length),
    )
  }

  /**
   * munmap of a part. The buffer stays as it is, but an access to the part is a SIGSEGV from then on. A part that is
   * all of the mapping unmaps it, see unmap.
   *
   * offset: a multiple of 4096; length: bytes, rounded up to pages, default: to the end.
   * Errors: RangeError, TypeError; EINVAL (length 0), ENOMEM (maxMappings: the rest is two mappings), EBADF.
   */
  munmap(offset: number, length?: number): void {
    const [start, bytes] = this.#requirePages('munmap', offset, length)
    if (start === 0 && bytes === this.#length) {
      this.unmap()
      return
    }
    this.#run('munmap', (machine) => vmMunmap(machine, this.#address + start, bytes))
  }

  /**
   * mprotect of a part. An access it forbids is a SIGSEGV.
   * Errors: as munmap; EACCES (writable, shared, and the file is open for reading), ENOMEM (a part was unmapped).
   */
  mprotect(offset: number, length: number, protection: Protection): void {
    const [start, bytes] = this.#requirePages('mprotect', offset, length)
    const prot = PROTECTIONS[requireOneOf('protection', protection, ['none', 'r', 'w', 'rw'])]
    this.#run('mprotect', (machine) => vmMprotect(machine, this.#address + start, bytes, prot))
  }

  /**
   * madvise of a part, by the kernel's name of the advice: 'dontneed' drops page tables and private copies, 'remove'
   * punches a hole into the file, 'populate_read' and 'populate_write' fault everything in, 'nohugepage' stops faults
   * of 2 MiB…
   *
   * Errors: as munmap; EINVAL (advice for other kinds of memory), EACCES ('remove' of a private mapping), EFAULT
   * ('populate_…': past EOF, no space), ENOMEM (a part was unmapped), EPERM ('hwpoison').
   */
  madvise(advice: AdviceName, offset = 0, length?: number): void {
    const number = ADVICE[requireOneOf('advice', advice, Object.keys(ADVICE) as AdviceName[])]
    const [start, bytes] = this.#requirePages('madvise', offset, length)
    this.#run('madvise', (machine) => vmMadvise(machine, this.#address + start, bytes, number))
  }

  /**
   * Bring these bytes of the file into its cache, ahead of their use: 2 MiB at a time instead of page by page. Maps
   * nothing: each page still takes its fault, which then counts as one of a page in the cache and need not wait for
   * media. To have pages mapped too, see mmap's `populate` and madvise. DAX has no such call, and ignores
   * madvise('willneed'). Holes, bad pages and what is past EOF are passed over; with mount option zeroCopy there is
   * nothing to bring in.
   *
   * Context: reads media in the calling thread; a Worker that maps the same file can do it beside others, whose faults
   * on the same 2 MiB wait. offset, length: bytes of the mapping, default: all of it.
   * Return: bytes brought in, in whole pages. Errors: RangeError, TypeError; EIO (media cannot be read; what came
   * before it is there), EBADF.
   */
  prefetch(offset = 0, length?: number): number {
    const [start, bytes] = this.#requirePart('prefetch', offset, length)
    const [first, end] = [this.#info.offset + start, this.#info.offset + start + bytes]
    let pages = 0
    for (let at = first; at < end;) {
      const next = Math.min(end, at - (at % PREFETCH_BYTES) + PREFETCH_BYTES)
      const piece = at
      pages += this.#run('prefetch', (machine) => prefetchPiece(machine, this.#inode, piece, next - piece))
      at = next
    }
    return pages * Page.Size
  }

  /**
   * mincore: which pages are in this mapping's page tables (FACTS 25).
   * Return: 1 or 0 a page. Errors: RangeError, TypeError; ENOMEM (a part was unmapped), EBADF.
   */
  mincore(offset = 0, length?: number): Uint8Array {
    const [start, bytes] = this.#requirePages('mincore', offset, length)
    const pages = new Uint8Array(pageAlign(bytes) / Page.Size)
    this.#run('mincore', (machine) => vmMincore(machine, this.#address + start, bytes, pages))
    return pages
  }

  /**
   * mlock: fault everything in. Locks nothing: DAX memory is never paged out (FACTS 22).
   * Errors: RangeError, TypeError; ENOMEM (a page that cannot be had: past EOF, no space; a part was unmapped), EBADF.
   */
  mlock(offset = 0, length?: number): void {
    const [start, bytes] = this.#requirePart('mlock', offset, length)
    this.#run('mlock', (machine) => vmMlock(machine, this.#address + start, bytes))
  }

  /** Errors: as mlock. */
  munlock(offset = 0, length?: number): void {
    const [start, bytes] = this.#requirePart('munlock', offset, length)
    this.#run('munlock', (machine) => vmMunlock(machine, this.#address + start, bytes))
  }

  /**
   * Make the mapping longer or shorter; what is mapped stays mapped, at another address if need be. `buffer` is
   * another one afterwards, the old one is detached. newLength: bytes, or a string such as '64MiB'.
   *
   * Errors, with everything as it was: RangeError, TypeError; ENOMEM (no room to grow and mayMove is false,
   * maxMappings), EFAULT (a part was unmapped or protected apart: it is not one mapping any more), EBADF.
   */
  mremap(newLength: number | string, options?: MremapOptions): void {
    const length = requireRange(
      'newLength',
      requireSize('newLength', newLength),
      1,
      bufferConstants.MAX_LENGTH,
      'bytes',
    )
    const given = requireOptions<MremapOptions>('mremap options', options, ['mayMove'])
    const flags = requireBoolean('mayMove', given.mayMove ?? true) ? MremapFlag.MayMove : 0
    const start = this.#requireOffset('mremap', 0)
    this.#calls.run('mremap', (machine) => {
      const { addon } = machine
      const moved = vmMremap(machine, this.#address + start, this.#length, length, flags)
      this.#address = checkResult(moved, 'mremap')
      addon.detachArrayBuffer(this.#buffer)
      this.#length = length
      this.#buffer = addon.createArrayBuffer(this.#address, length)
    })
  }

  /**
   * munmap: detach the buffer and drop the mapping. Persists nothing (K111): what was not synced stays in the file's
   * cache, at risk. Calling it again does nothing.
   */
  unmap(): void {
    if (!this.#mapped) return
    this.#calls.give('munmap', (machine) => {
      this.#mapped = false
      this.#onUnmap(this)
      machine.addon.detachArrayBuffer(this.#buffer)
      vmMunmap(machine, this.#address, this.#length)
      putInode(machine, this.#inode)
    })
  }

  [Symbol.dispose](): void {
    this.unmap()
  }

  /** Errors: EBADF after unmap, TypeError, RangeError. */
  #requireOffset(syscall: string, offset: unknown): number {
    if (!this.#mapped) throw new PmemError('EBADF', syscall, 'the mapping was unmapped')
    return requireRange('offset', offset, 0, this.#length, 'bytes')
  }

  /** Errors: EACCES where the mapping is read-only; as requireOffset. */
  #requireWritable(syscall: string, offset: unknown): number {
    const start = this.#requireOffset(syscall, offset)
    if (isWritable(this.#calls.machine, this.#address + start)) return start
    throw new PmemError('EACCES', syscall, 'the mapping is read-only')
  }

  /** recorded: the program asked for it, rather than a non-temporal store that needs no flush of its own. */
  #flush(start: number, bytes: number, recorded: boolean): number {
    if (this.#info.sharing === 'private') return 0
    const offset = this.#info.offset + start
    return this.#calls.run('flush', (machine) => {
      const { stores } = machine
      if (stores === undefined) return checkResult(flushRange(machine, this.#inode, offset, bytes), 'flush')
      return stores.exclusive(() => {
        const lines = checkResult(flushRange(machine, this.#inode, offset, bytes), 'flush')
        if (recorded) stores.flushed(this.#inode, offset, bytes, this.#calls.here())
        return lines
      })
    })
  }

  #store(syscall: string, start: number, bytes: Uint8Array, { nonTemporal, drain }: Required<StoreOptions>): void {
    const traced = this.#calls.machine.stores !== undefined && this.#info.sharing === 'shared'
    this.#guarded(syscall, start, bytes.length, (addon, address) =>
      traced
        ? addon.storeBytes(address, addon.addressOf(bytes), bytes.length, nonTemporal)
        : addon.copyMemory(address, addon.addressOf(bytes), bytes.length),
    )
    if (this.#info.sharing === 'private') return
    this.#flush(start, bytes.length, !nonTemporal)
    if (drain) this.#calls.fence()
  }

  /** A part of the mapping; without a length it reaches to the end. Return: offset and length. */
  #requirePart(syscall: string, offset: unknown, length: unknown): [start: number, bytes: number] {
    const start = this.#requireOffset(syscall, offset)
    const rest = this.#length - start
    return [start, length === undefined ? rest : requireRange('length', length, 0, rest, 'bytes')]
  }

  /** A part that begins with a page. */
  #requirePages(syscall: string, offset: unknown, length: unknown): [start: number, bytes: number] {
    const part = this.#requirePart(syscall, offset, length)
    requireAligned('offset', part[0], Page.Size, 'the page size')
    return part
  }

  #run(syscall: string, call: (machine: Machine) => number): number {
    return this.#calls.run(syscall, (machine) => checkResult(call(machine), syscall))
  }

  /** Not under the freeze: the copy may fault, and a power failure may come in between as it may between two loads. */
  #guarded(
    syscall: string,
    start: number,
    length: number,
    copy: (addon: Machine['addon'], address: number) => number,
  ): void {
    this.#calls.requireAlive(syscall)
    const failure = accessMapping(this.#calls.machine, this.#address, start, length, syscall, copy)
    if (failure === undefined) return
    this.#calls.requireAlive(syscall)
    throw Object.assign(failure.error, { offset: failure.offset })
  }
}
