/** A mapping of a file: the memory itself, and the calls that act on it. */
import { requireAligned, requireBuffer, requireOneOf, requireOptions, requireRange } from '../args.js'
import { Page } from '../constants.js'
import { flushRange } from '../dax/flush-range.js'
import { PmemError, checkResult } from '../errors.js'
import { type Machine, isDead } from '../fault/machine.js'
import { VmaFlag } from '../mm/vma.js'
import { Counter } from '../stats.js'
import { putInode } from './inode-cache.js'
import { syncRange } from './sync.js'
import type { SystemCalls } from './system-calls.js'

/** What the mapping was made with. */
export interface MappingInfo {
  /** Byte offset in the file of the first byte of the buffer. */
  readonly offset: number
  readonly sharing: 'shared' | 'private'
  readonly protection: 'r' | 'rw'
}

export interface MsyncOptions {
  /** 'sync' (default) writes back; 'async' and 'invalidate' are accepted and do nothing, as on DAX. */
  mode?: 'sync' | 'async' | 'invalidate'
}

export class DaxMapping implements Disposable {
  readonly #calls: SystemCalls
  readonly #inode: number
  readonly #vma: number
  readonly #buffer: ArrayBuffer
  readonly #info: MappingInfo
  readonly #length: number
  readonly #onUnmap: (mapping: DaxMapping) => void
  #mapped = true

  /** Made by DaxFile.mmap. */
  constructor(
    calls: SystemCalls,
    inode: number,
    vma: number,
    buffer: ArrayBuffer,
    info: MappingInfo,
    onUnmap: (mapping: DaxMapping) => void,
  ) {
    this.#calls = calls
    this.#inode = inode
    this.#vma = vma
    this.#buffer = buffer
    this.#length = buffer.byteLength
    this.#info = info
    this.#onUnmap = onUnmap
  }

  /**
   * The memory. Loads and stores through any view of it are loads and stores of pmem. Detached (length 0) by unmap.
   * It cannot be transferred; structuredClone and postMessage copy it, which reads every page.
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

  get info(): MappingInfo {
    return this.#info
  }

  /**
   * msync(MS_SYNC): what was stored to these bytes, through any mapping of the file, is durable when it returns. Works
   * in whole pages, as the kernel does: other bytes of the same pages become durable too.
   *
   * offset: of the mapping, a multiple of 4096; length: bytes, default: to the end. A private mapping writes nothing.
   * Source: vfs_fsync_range of the range (K70, FACTS 6). Errors: RangeError, TypeError; EIO, ENOSPC… of the media.
   */
  msync(offset = 0, length?: number, options?: MsyncOptions): void {
    const [start, bytes] = this.#requirePart('msync', offset, length)
    requireAligned('offset', start, Page.Size, 'the page size')
    const given = requireOptions<MsyncOptions>('msync options', options, ['mode'])
    const mode = requireOneOf('mode', given.mode ?? 'sync', ['sync', 'async', 'invalidate'])
    if (mode !== 'sync' || bytes === 0 || this.#info.sharing === 'private') return
    const first = (this.#info.offset + start) / Page.Size
    const last = Math.floor((this.#info.offset + start + bytes - 1) / Page.Size)
    this.#calls.run('msync', (machine) => checkResult(syncRange(machine, this.#inode, first, last), 'msync'))
  }

  /**
   * Put the changed cache lines that overlap these bytes on their way to media (clwb). Not durable yet: pmem.fence().
   * What is stored to a line after its flush is not covered.
   *
   * Return: lines that had changed. Errors: RangeError, TypeError.
   */
  flush(offset = 0, length?: number): number {
    const [start, bytes] = this.#requirePart('flush', offset, length)
    if (this.#info.sharing === 'private') return 0
    return this.#calls.run('flush', (machine) =>
      checkResult(flushRange(machine, this.#inode, this.#info.offset + start, bytes), 'flush'),
    )
  }

  /** flush and fence: what these bytes are now is durable when it returns. */
  persist(offset = 0, length?: number): void {
    this.flush(offset, length)
    this.#calls.fence()
  }

  /**
   * Load bytes without the risk of SIGBUS: what a plain load past EOF or from a bad page would die of is an error here.
   *
   * length: bytes to read, or the buffer to fill. Return: the bytes, or the buffer given.
   * Errors: EIO with `offset` of the first byte that could not be read, in the mapping; RangeError, TypeError.
   */
  tryRead(offset: number, length: number): Uint8Array
  tryRead<Target extends ArrayBufferView>(offset: number, target: Target): Target
  tryRead(offset: number, into: number | ArrayBufferView): ArrayBufferView {
    const start = this.#requireOffset('tryRead', offset)
    const target =
      typeof into === 'number' ? new Uint8Array(requireRange('length', into, 0, this.#length - start, 'bytes')) : into
    const bytes = requireBuffer('target', target)
    requireRange('length', bytes.length, 0, this.#length - start, 'bytes')
    this.#guarded('tryRead', start, bytes.length, (addon, address) =>
      addon.copyMemory(addon.addressOf(bytes), address, bytes.length),
    )
    return target
  }

  /**
   * Store bytes without the risk of SIGBUS. What was stored before the byte that failed stays stored.
   * Errors: EIO with `offset`, as tryRead: past EOF, no space for the block, a bad page. EACCES on a read-only mapping.
   */
  tryWrite(offset: number, source: ArrayBufferView | ArrayBuffer | SharedArrayBuffer): void {
    const start = this.#requireOffset('tryWrite', offset)
    const bytes = requireBuffer('source', source)
    requireRange('length', bytes.length, 0, this.#length - start, 'bytes')
    if (this.#info.protection === 'r') throw new PmemError('EACCES', 'tryWrite', 'the mapping is read-only')
    this.#guarded('tryWrite', start, bytes.length, (addon, address) =>
      addon.copyMemory(address, addon.addressOf(bytes), bytes.length),
    )
  }

  /**
   * munmap: detach the buffer and drop the mapping. Persists nothing (K111): what was not synced stays in the file's
   * cache, at risk. Calling it again does nothing.
   */
  unmap(): void {
    if (!this.#mapped) return
    this.#mapped = false
    this.#onUnmap(this)
    unmapVma(this.#calls.machine, this.#vma, this.#buffer)
    putInode(this.#calls.machine, this.#inode)
  }

  [Symbol.dispose](): void {
    this.unmap()
  }

  /** Errors: EBADF after unmap, TypeError, RangeError. */
  #requireOffset(syscall: string, offset: unknown): number {
    if (!this.#mapped) throw new PmemError('EBADF', syscall, 'the mapping was unmapped')
    return requireRange('offset', offset, 0, this.#length, 'bytes')
  }

  /** A part of the mapping; without a length it reaches to the end. Return: offset and length. */
  #requirePart(syscall: string, offset: unknown, length: unknown): [start: number, bytes: number] {
    const start = this.#requireOffset(syscall, offset)
    const rest = this.#length - start
    return [start, length === undefined ? rest : requireRange('length', length, 0, rest, 'bytes')]
  }

  /** Not under the freeze: the copy may fault, and a power failure may come in between as it may between two loads. */
  #guarded(
    syscall: string,
    start: number,
    length: number,
    copy: (addon: Machine['addon'], address: number) => number,
  ): void {
    const { machine } = this.#calls
    this.#calls.requireAlive(syscall)
    const address = machine.vmas.addressOf(this.#vma) + start
    const done = length === 0 ? 0 : copy(machine.addon, address)
    if (done === length) return
    const failedAt = start + Math.max(done, 0)
    this.#forgetFailure(failedAt)
    this.#calls.requireAlive(syscall)
    const error = new PmemError('EIO', syscall, `SIGBUS at offset ${failedAt} of the mapping`)
    throw Object.assign(error, { offset: failedAt })
  }

  /** The page that answered with SIGBUS must ask again next time: space may be free, the file longer by then. */
  #forgetFailure(offset: number): void {
    const { machine } = this.#calls
    if (this.#info.sharing === 'private') return
    const page = Math.floor(offset / Page.Size) * Page.Size
    machine.addon.dropPages(machine.vmas.addressOf(this.#vma) + page, Page.Size)
  }
}

/**
 * Context: waits for faults being served on the mapping. On a dead mount the handler may have died as a user of it,
 * with any lock held: the memory goes all the same, the tables stay as they are.
 */
export function unmapVma(machine: Machine, vma: number, buffer: ArrayBuffer): void {
  const { vmas, addon } = machine
  try {
    if (!vmas.retire(vma)) return
  } catch (error) {
    if (!isDead(machine.words)) throw error
  }
  addon.detachArrayBuffer(buffer)
  addon.unmap(vmas.addressOf(vma), vmas.pagesOf(vma) * Page.Size)
  vmas.release(vma)
  machine.threads.count(machine.self, Counter.Unmappings, 1)
}

export function vmaFlags(info: MappingInfo): number {
  const sharing = info.sharing === 'shared' ? VmaFlag.Shared : 0
  return sharing | VmaFlag.Read | (info.protection === 'rw' ? VmaFlag.Write : 0)
}
