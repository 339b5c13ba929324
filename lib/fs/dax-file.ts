/** An open file of a pool. */
import { constants as bufferConstants } from 'node:buffer'
import {
  requireAligned,
  requireBoolean,
  requireBuffer,
  requireOneOf,
  requireOptions,
  requireRange,
  requireSize,
} from '../args.js'
import { PGOFF_LIMIT, Page } from '../constants.js'
import { ErrorNumber, PmemError, checkResult } from '../errors.js'
import type { Machine } from '../fault/machine.js'
import { BlockCursor, BlockState } from '../media/block-map.js'
import { InodeWord } from '../mm/inode.js'
import { mutexLock, mutexUnlock } from '../sync/mutex.js'
import { Cursor } from '../tree/cursor.js'
import { describeEntry } from '../tree/entry.js'
import { Mark } from '../tree/root.js'
import { LAST_INDEX } from '../dax/invalidate.js'
import { lockPages, rootOf, unlockPages } from '../dax/grab-entry.js'
import { DaxMapping, type MappingInfo } from './dax-mapping.js'
import { Fallocate, fallocateFile } from './fallocate.js'
import { putInode } from './inode-cache.js'
import { readBytes, writeBytes } from './read-write.js'
import { setSize } from './set-size.js'
import { syncFile } from './sync.js'
import { WritebackErrors } from './writeback-errors.js'
import type { SystemCalls } from './system-calls.js'
import { MapFlag, PROTECTIONS, type Protection } from './vm/abi.js'
import { vmaAt } from './vm/address-space.js'
import { vmMmap, vmMunmap } from './vm/map.js'

const MMAP_OPTIONS = ['offset', 'length', 'sharing', 'protection', 'sync', 'populate'] as const

export interface MmapOptions {
  /** Byte offset in the file, a multiple of 4096. Default 0. */
  offset?: number
  /** Bytes, a number or a string such as '64MiB'. Default: to the end of the file. */
  length?: number | string
  /** 'shared' (default): stores reach the file; 'private': they stay copies of this mapping. */
  sharing?: 'shared' | 'private'
  /** Default 'rw'; an access that is not allowed is a SIGSEGV, as it is in C. 'w' allows loads too, on x86. */
  protection?: Protection
  /** MAP_SYNC: a store is possible only when the file's blocks are durable on the host (K60). Default false. */
  sync?: boolean
  /** MAP_POPULATE: fault everything in at once; a private mapping gets its copies. Failures show later. */
  populate?: boolean
}

export interface FallocateOptions {
  /**
   * 'allocate' blocks for holes; 'punch' a hole; make a range read 'zero' while it keeps its blocks; 'collapse' the
   * range, so that what follows takes its place; 'insert' a hole before it.
   */
  mode?: 'allocate' | 'punch' | 'zero' | 'collapse' | 'insert'
  offset: number
  length: number
  /** Modes 'allocate' and 'zero': do not grow the file. */
  keepSize?: boolean
}

const FALLOCATE_NAMES = ['allocate', 'punch', 'zero', 'collapse', 'insert'] as const

const FALLOCATE_MODES = {
  allocate: 0,
  punch: Fallocate.PunchHole,
  zero: Fallocate.ZeroRange,
  collapse: Fallocate.CollapseRange,
  insert: Fallocate.InsertRange,
} as const

/** A run of pages of a file in one state. Offsets are bytes. */
export interface FileExtent {
  readonly start: number
  readonly end: number
  readonly state: 'written' | 'unwritten'
  /** First page frame number. */
  readonly pfn: number
}

export interface FileStat {
  /** Bytes. */
  readonly size: number
  /** Allocated blocks in units of 512 bytes, as st_blocks. */
  readonly blocks: number
  readonly extents: readonly FileExtent[]
  /** Tree entries by kind: 'D4' data, 'Z4' zero page, 'E4' empty; '2M' forms for 2 MiB. */
  readonly entries: Readonly<Record<string, number>>
  /** Entries tagged DIRTY and TOWRITE. */
  readonly tags: { readonly dirty: number; readonly towrite: number }
  /** Lines written by write() that no sync has made durable. */
  readonly unfencedLines: number
}

/** What a DaxFile reports back to its mount. */
export interface FileOwner {
  readonly calls: SystemCalls
  fileClosed(file: DaxFile): void
  mappingMade(mapping: DaxMapping): void
  mappingGone(mapping: DaxMapping): void
}

export class DaxFile implements Disposable {
  readonly #owner: FileOwner
  readonly #inode: number
  readonly #readOnly: boolean
  readonly name: string
  /** Shared with the mappings made through this open. */
  readonly #errors: WritebackErrors
  #open = true

  /** Made by Pmem.open. */
  constructor(owner: FileOwner, inode: number, name: string, readOnly: boolean) {
    this.#owner = owner
    this.#inode = inode
    this.name = name
    this.#readOnly = readOnly
    this.#errors = new WritebackErrors(owner.calls.machine, inode)
  }

  /** Bytes. */
  get size(): number {
    return this.#run('fstat', (machine) => machine.inodes.sizeOf(this.#inode))
  }

  /** The number by which faults, dumps and traces name the file while it is open. */
  get inode(): number {
    return this.#inode
  }

  get isOpen(): boolean {
    return this.#open
  }

  /**
   * Map bytes of the file. The mapping may reach past EOF; an access there is a SIGBUS until the file has grown
   * (see DaxMapping.tryRead). It stays valid when the file is closed.
   *
   * Errors: RangeError, TypeError; EACCES (shared and writable, file open for reading), ENOMEM (address space,
   * maxMappings), EBADF.
   */
  mmap(options: MmapOptions = {}): DaxMapping {
    const given = requireOptions<MmapOptions>('mmap options', options, MMAP_OPTIONS)
    const offset = requireAligned('offset', given.offset ?? 0, Page.Size, 'the page size')
    const sharing = requireOneOf('sharing', given.sharing ?? 'shared', ['shared', 'private'])
    const protection = requireOneOf('protection', given.protection ?? 'rw', ['none', 'r', 'w', 'rw'])
    const sync = requireBoolean('sync', given.sync ?? false)
    const populate = requireBoolean('populate', given.populate ?? false)
    if (given.length === undefined && offset >= this.size) {
      throw new RangeError(
        `length must be given for a mapping that starts at or past EOF (${this.size}) but received none`,
      )
    }
    const length = requireSize('length', given.length ?? this.size - offset)
    requireRange('length', length, 1, bufferConstants.MAX_LENGTH, 'bytes')
    requireRange('offset + length', offset + length, 1, Page.Size * 2 ** 32, 'bytes')
    if (this.#readOnly && sharing === 'shared' && protection.includes('w')) {
      throw new PmemError('EACCES', 'mmap', 'the file was opened read-only', this.name)
    }
    const info = { offset, sharing, protection, sync }
    return this.#run('mmap', (machine) => {
      const mapping = this.#map(machine, info, length, populate)
      this.#owner.mappingMade(mapping)
      return mapping
    })
  }

  /**
   * Read into a buffer (which may be a mapping). position: byte in the file.
   * Return: bytes read; fewer than asked at EOF, or before a bad page. Errors: EIO (a bad page in the extent of the
   * first byte, as far as it was asked for, K107), EFAULT, EBADF.
   */
  read(buffer: ArrayBufferView | ArrayBuffer | SharedArrayBuffer, position: number): number {
    const bytes = requireBuffer('buffer', buffer)
    requireRange('position', position, 0, Number.MAX_SAFE_INTEGER, 'bytes')
    return this.#run('read', (machine) => {
      const address = machine.addon.addressOf(bytes)
      return checkResult(readBytes(machine, this.#inode, address, bytes.length, position), 'read', this.name)
    })
  }

  /**
   * Write a buffer (which may be a mapping), growing the file if need be. Mappings see it at once; it is durable after
   * the next sync() of the file or msync of any of its mappings.
   *
   * A write of a whole bad page repairs it; of a bad page a part cannot be written (K108): EFAULT, or fewer bytes.
   *
   * Return: bytes written; fewer than asked when space ran out on the way. Errors: ENOSPC, EFBIG, EFAULT, EBADF;
   * ENOMEM (maxTreeNodes); EIO of the media.
   */
  write(buffer: ArrayBufferView | ArrayBuffer | SharedArrayBuffer, position: number): number {
    const bytes = requireBuffer('buffer', buffer)
    requireRange('position', position, 0, Number.MAX_SAFE_INTEGER, 'bytes')
    return this.#run('write', (machine) => {
      this.#requireWritable('write')
      const address = machine.addon.addressOf(bytes)
      return checkResult(writeBytes(machine, this.#inode, address, bytes.length, position), 'write', this.name)
    })
  }

  /** ftruncate. size: bytes, a number or a string such as '1MiB'. Errors: EFBIG past what open() reserved (maxSize). */
  truncate(size: number | string): void {
    const bytes = requireSize('size', size)
    this.#run('ftruncate', (machine) => {
      this.#requireWritable('ftruncate')
      checkResult(setSize(machine, this.#inode, bytes), 'ftruncate', this.name)
    })
  }

  /** fallocate. Ranges are bytes and need no alignment. Errors: ENOSPC with nothing allocated, EFBIG, EBADF. */
  fallocate(options: FallocateOptions): void {
    const known = ['mode', 'offset', 'length', 'keepSize'] as const
    const given = requireOptions<FallocateOptions>('fallocate options', options, known)
    const mode = requireOneOf('mode', given.mode ?? 'allocate', FALLOCATE_NAMES)
    const offset = requireRange('offset', given.offset, 0, Number.MAX_SAFE_INTEGER, 'bytes')
    const length = requireRange('length', given.length, 1, Number.MAX_SAFE_INTEGER - offset, 'bytes')
    const keepSize = requireBoolean('keepSize', given.keepSize ?? false)
    this.#run('fallocate', (machine) => {
      this.#requireWritable('fallocate')
      const keep = keepSize || mode === 'punch' ? Fallocate.KeepSize : 0
      const error = fallocateFile(machine, this.#inode, FALLOCATE_MODES[mode] | keep, offset, length)
      checkResult(error, 'fallocate', this.name)
    })
  }

  /**
   * fsync: every store and write to the file before the call is durable when it returns.
   *
   * Errors: EIO, ENOSPC… of the media. EIO too when pages went bad with stores in them: those are lost, everything else
   * is durable, and each open of the file is told once, by sync or by msync.
   */
  sync(): void {
    this.#sync('fsync')
  }

  /** fdatasync. The same as sync() here: sizes and blocks are durable when the call that changed them returns. */
  datasync(): void {
    this.#sync('fdatasync')
  }

  /** Size, blocks, extents, entries by kind, tags: what the kernel knows of the file now. */
  stat(): FileStat {
    return this.#run('fstat', (machine) => statInode(machine, this.#inode))
  }

  /**
   * The page frame that holds a byte of the file: what memoryFailure() is told, and traces show.
   * offset: byte in the file. Errors: ENXIO in a hole, EBADF; RangeError, TypeError.
   */
  pfnAt(offset: number): number {
    const page = Math.floor(requireRange('offset', offset, 0, Number.MAX_SAFE_INTEGER, 'bytes') / Page.Size)
    return this.#run('pfnAt', (machine) => {
      const pfn = pfnOf(machine, this.#inode, page)
      if (pfn === 0) throw new PmemError('ENXIO', 'pfnAt', `there is a hole at ${offset}`, this.name)
      return pfn
    })
  }

  /** Persists nothing: see sync(). Mappings stay. Calling it again does nothing. */
  close(): void {
    if (!this.#open) return
    this.#owner.calls.give('close', (machine) => {
      this.#open = false
      this.#owner.fileClosed(this)
      putInode(machine, this.#inode)
    })
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #run<Result>(syscall: string, call: (machine: Machine) => Result): Result {
    if (!this.#open) throw new PmemError('EBADF', syscall, 'the file is closed', this.name)
    return this.#owner.calls.run(syscall, call)
  }

  #requireWritable(syscall: string): void {
    if (this.#readOnly) throw new PmemError('EBADF', syscall, 'the file was opened read-only', this.name)
  }

  #sync(syscall: string): void {
    this.#run(syscall, (machine) => {
      this.#errors.report(machine, syncFile(machine, this.#inode), syscall, this.name)
    })
  }

  #map(machine: Machine, request: Omit<MappingInfo, 'dirtyTracking'>, length: number, populate: boolean): DaxMapping {
    const sharing = request.sharing === 'private' ? MapFlag.Private : MapFlag.SharedValidate
    const flags = sharing | (request.sync ? MapFlag.Sync : 0) | (populate ? MapFlag.Populate : 0)
    const access = this.#readOnly ? 'r' : 'rw'
    const prot = PROTECTIONS[request.protection]
    const wanted = { inode: this.#inode, access, offset: request.offset, length, prot, flags } as const
    const address = vmMmap(machine, wanted)
    if (address === -ErrorNumber.ENOMEM) {
      const reason = 'no address space left (ulimit -v, vm.max_map_count), or no record (mount option maxMappings)'
      throw new PmemError('ENOMEM', 'mmap', reason, this.name)
    }
    checkResult(address, 'mmap', this.name)
    const isAsync = machine.vmas.isAsync(vmaAt(machine, address))
    const info: MappingInfo = { ...request, dirtyTracking: isAsync ? 'async' : 'sync' }
    try {
      return new DaxMapping(this.#owner.calls, this.#inode, this.#errors, address, length, info, (mapping) => {
        this.#owner.mappingGone(mapping)
      })
    } catch (error) {
      vmMunmap(machine, address, length)
      throw error
    }
  }
}

/** Context: takes i_pages and ilock for short; a picture, not a snapshot. */
function statInode(machine: Machine, inode: number): FileStat {
  const { inodes, tree, words } = machine
  const at = inodes.at(inode)
  const root = rootOf(machine, inode)
  const entries: Record<string, number> = {}
  const cursor = new Cursor()
  lockPages(machine, inode)
  for (let from = 0; from <= LAST_INDEX && tree.next(root, from, LAST_INDEX, cursor); from = cursor.after()) {
    const kind = describeEntry(cursor.entry).split(/[ +]/)[0] as string
    entries[kind] = (entries[kind] ?? 0) + 1
  }
  const tags = { dirty: tree.countMarked(root, Mark.Dirty), towrite: tree.countMarked(root, Mark.ToWrite) }
  unlockPages(machine, inode)
  mutexLock(words, at + InodeWord.Blocks)
  const extents = extentsOf(machine, at + InodeWord.BlockRoot)
  const blocks = machine.blocks.blocks(at + InodeWord.BlockRoot) * (Page.Size / 512)
  const unfencedLines = machine.unfenced.totalLength(at + InodeWord.UnfencedRoot)
  mutexUnlock(words, at + InodeWord.Blocks)
  return { size: inodes.sizeOf(inode), blocks, extents, entries, tags, unfencedLines }
}

/** Return: 0 in a hole. Context: takes ilock. */
function pfnOf(machine: Machine, inode: number, page: number): number {
  if (page >= PGOFF_LIMIT) return 0
  const at = machine.inodes.at(inode)
  const block = new BlockCursor()
  mutexLock(machine.words, at + InodeWord.Blocks)
  machine.blocks.lookup(at + InodeWord.BlockRoot, page, block)
  mutexUnlock(machine.words, at + InodeWord.Blocks)
  return block.pfn
}

/** Context: ilock held. */
function extentsOf(machine: Machine, root: number): FileExtent[] {
  const extents: FileExtent[] = []
  const block = new BlockCursor()
  for (let page = 0; page < 2 ** 32; page += block.pages) {
    const state = machine.blocks.lookup(root, page, block)
    if (state === BlockState.Hole) continue
    extents.push({
      start: page * Page.Size,
      end: (page + block.pages) * Page.Size,
      state: state === BlockState.Written ? 'written' : 'unwritten',
      pfn: block.pfn,
    })
  }
  return extents
}
