/** A mounted pool for one test, with what tests of faults look at. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type DaxFile, type DaxMapping, type FaultName, type MountOptions, type Pmem, mount } from '../../lib/index.js'
import { machineOf } from '../../lib/fs/pmem.js'
import { InodeWord } from '../../lib/mm/inode.js'
import { ThreadWord } from '../../lib/sync/threads.js'
import { temporaryDirectory, tmpfsDirectory } from '../support/temp.js'

export const PAGE = 4096
const COUNTED_MS = 10_000

export class Pool {
  readonly path: string
  pmem: Pmem

  constructor(options: MountOptions = {}) {
    this.path = options.zeroCopy === true ? tmpfsDirectory() : temporaryDirectory()
    this.pmem = mount(this.path, { capacity: '16MiB', ...options })
  }

  /** A new file of holes. */
  holes(pages: number, name = 'a.pm'): DaxFile {
    return this.pmem.open(name, { create: true, size: pages * PAGE, maxSize: '32MiB' })
  }

  /** A file whose page i is filled with byte 16 + i, durable, and in no cache. */
  data(pages: number, name = 'a.pm'): DaxFile {
    const file = this.holes(pages, name)
    for (let page = 0; page < pages; page++) file.write(Buffer.alloc(PAGE, 16 + page), page * PAGE)
    file.sync()
    this.pmem.crash()
    return file
  }

  /** Bytes of the media file: what a power failure would leave. */
  media(offset: number, length = 1, name = 'a.pm'): number[] {
    return [...readFileSync(join(this.path, name)).subarray(offset, offset + length)]
  }

  /** Faults served while `work` ran, by kind; kinds without any are left out. */
  faultsOf(work: () => void): Partial<Record<FaultName, number>> {
    this.#untilCounted()
    const before = this.#faultCounts()
    work()
    this.#untilCounted()
    const after = this.#faultCounts()
    const kinds = Object.keys(after).filter((kind) => after[kind] !== before[kind])
    return Object.fromEntries(kinds.map((kind) => [kind, (after[kind] ?? 0) - (before[kind] ?? 0)]))
  }

  /** The page of the file has a memory error from now on, and is mapped nowhere. */
  poison(file: DaxFile, page: number): void {
    if (this.pmem.poison(file, page * PAGE, PAGE) === 0) throw new Error(`page ${page} is a hole`)
  }

  /** Drop what the process has mapped of a mapping, as memory pressure or MADV_DONTNEED may. */
  dropPages(mapping: DaxMapping): void {
    const { addon } = machineOf(this.pmem)
    addon.dropPages(addon.addressOf(new Uint8Array(mapping.buffer)), Math.ceil(mapping.byteLength / PAGE) * PAGE)
  }

  /** Is the page in the file's cache? */
  isCached(file: DaxFile, page: number): boolean {
    return machineOf(this.pmem).media.isCached(file.inode, page * PAGE, PAGE)
  }

  isMetadataDirty(file: DaxFile): boolean {
    return (machineOf(this.pmem).inodes.word(file.inode, InodeWord.Flags) & 1) !== 0
  }

  close(): void {
    this.pmem.close()
  }

  /**
   * A worker counts a batch just after it was served: a moment after the faulting thread goes on, or, where the worker
   * has lost its CPU, any time later. Until then its progress is odd.
   */
  #untilCounted(): void {
    const { threads, words } = machineOf(this.pmem)
    const word = (id: number, offset: ThreadWord): number => words.load(threads.at(id) + offset)
    const isServing = (): boolean => {
      for (let id = 1; id <= threads.highest; id++) {
        if (word(id, ThreadWord.FaultWorker) === 1 && (word(id, ThreadWord.Progress) & 1) === 1) return true
      }
      return false
    }
    for (let end = performance.now() + COUNTED_MS; isServing() && performance.now() < end;) sleep(1)
  }

  #faultCounts(): Record<string, number> {
    return Object.fromEntries(Object.entries(this.pmem.stats().faults).map(([kind, { count }]) => [kind, count]))
  }
}

export function bytes(mapping: DaxMapping): Uint8Array {
  return new Uint8Array(mapping.buffer)
}

/** Sum of the entries of a file. */
export function entryCount(file: DaxFile): number {
  return Object.values(file.stat().entries).reduce((sum, count) => sum + count, 0)
}

/** Blocks the thread, as a system call would. */
function sleep(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds)
}
