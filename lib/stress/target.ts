/** A file and its mappings under stress: every call is counted, and known to the watchdog, before it is made. */
import type { DaxFile, FallocateOptions, MmapOptions } from '../fs/dax-file.js'
import { copyFileRange } from '../fs/copy-range.js'
import type { DaxMapping } from '../fs/dax-mapping.js'
import type { OpenOptions } from '../fs/pmem.js'
import type { AdviceName } from '../fs/vm/abi.js'
import { Mismatch } from './mismatch.js'
import { Operation } from './operations.js'
import type { Stage } from './stage.js'

const FALLOCATE_OPERATIONS = {
  allocate: Operation.Allocate,
  punch: Operation.Punch,
  zero: Operation.Zero,
  collapse: Operation.Collapse,
  insert: Operation.Insert,
} as const

export class Target {
  readonly file: DaxFile

  /** number: by which mismatches name the file. */
  constructor(
    readonly stage: Stage,
    readonly number: number,
    name: string,
    options: OpenOptions = {},
  ) {
    stage.op(Operation.Open, number, 0, 0)
    this.file = stage.pmem.open(name, options)
  }

  /** Errors: Mismatch when it is short. */
  read(buffer: Uint8Array, offset: number): void {
    this.stage.op(Operation.Read, this.number, offset, buffer.length)
    const done = this.file.read(buffer, offset)
    if (done !== buffer.length) throw new Mismatch(`read of ${buffer.length} bytes at ${offset} gave ${done}`)
  }

  write(buffer: Uint8Array, offset: number): void {
    this.stage.op(Operation.Write, this.number, offset, buffer.length)
    const done = this.file.write(buffer, offset)
    if (done !== buffer.length) throw new Mismatch(`write of ${buffer.length} bytes at ${offset} took ${done}`)
  }

  truncate(size: number): void {
    this.stage.op(Operation.Truncate, this.number, size, 0)
    this.file.truncate(size)
  }

  fallocate(mode: NonNullable<FallocateOptions['mode']>, offset: number, length: number, keepSize = false): void {
    this.stage.op(FALLOCATE_OPERATIONS[mode], this.number, offset, length)
    this.file.fallocate({ mode, offset, length, keepSize })
  }

  /** copy_file_range to another place, in the same file or another one. */
  copyTo(target: Target, from: number, to: number, length: number): void {
    this.stage.op(Operation.CopyRange, target.number, to, length)
    const done = this.stage.pmem.calls.run('copy_file_range', (machine) =>
      copyFileRange(machine, this.file.inode, from, target.file.inode, to, length),
    )
    if (done !== length) throw new Mismatch(`copy of ${length} bytes from ${from} to ${to} gave ${done}`)
  }

  sync(dataOnly = false): void {
    this.stage.op(Operation.Fsync, this.number, 0, 0)
    if (dataOnly) this.file.datasync()
    else this.file.sync()
  }

  mmap(options: MmapOptions): MappedTarget {
    this.stage.op(Operation.Mmap, this.number, options.offset ?? 0, Number(options.length ?? 0))
    return new MappedTarget(this, this.file.mmap(options))
  }

  close(): void {
    this.stage.op(Operation.Close, this.number, 0, 0)
    this.file.close()
  }
}

/** Loads and stores are made, and counted, by whoever has the views. */
export class MappedTarget {
  readonly #stage: Stage
  readonly bytes: Uint8Array
  readonly ints: Int32Array
  readonly doubles: Float64Array

  constructor(
    readonly target: Target,
    readonly mapping: DaxMapping,
  ) {
    this.#stage = target.stage
    const { buffer, byteLength } = mapping
    this.bytes = new Uint8Array(buffer)
    this.ints = new Int32Array(buffer, 0, Math.floor(byteLength / 4))
    this.doubles = new Float64Array(buffer, 0, Math.floor(byteLength / 8))
  }

  /** Offsets are of the mapping. */
  msync(offset: number, length: number): void {
    this.#stage.op(Operation.Msync, this.target.number, this.mapping.info.offset + offset, length)
    this.mapping.msync(offset, length)
  }

  flush(offset: number, length: number): void {
    this.#stage.op(Operation.Flush, this.target.number, this.mapping.info.offset + offset, length)
    this.mapping.flush(offset, length)
  }

  advise(advice: AdviceName, offset: number, length: number): void {
    this.#stage.op(Operation.Advise, this.target.number, this.mapping.info.offset + offset, length)
    this.mapping.madvise(advice, offset, length)
  }

  unmap(): void {
    this.#stage.op(Operation.Munmap, this.target.number, this.mapping.info.offset, 0)
    this.mapping.unmap()
  }
}

/** sfence of the calling thread. */
export function fence(stage: Stage): void {
  stage.op(Operation.Fence, 0, 0, 0)
  stage.pmem.fence()
}

/** Return: bytes that are never zero, different from call to call. */
export function filled(length: number, fill: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = 1 + ((fill + i * 7) % 255)
  return bytes
}
