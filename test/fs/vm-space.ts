/** An emulated address space for tests of the memory-management calls: Linux numbers in, Linux errno names out. */
import type { DaxFile } from '../../lib/index.js'
import { errnoName } from '../../lib/errors.js'
import type { Machine } from '../../lib/fault/machine.js'
import { machineOf } from '../../lib/fs/pmem.js'
import { Advice, MapFlag, MremapFlag, MsyncFlag, Prot } from '../../lib/fs/vm/abi.js'
import { vmMadvise } from '../../lib/fs/vm/advise.js'
import { vmMincore, vmPages } from '../../lib/fs/vm/look.js'
import { vmMmap, vmMunmap } from '../../lib/fs/vm/map.js'
import { accessFailed, vmMlock, vmMunlock } from '../../lib/fs/vm/populate.js'
import { vmMprotect } from '../../lib/fs/vm/protect.js'
import { vmMremap } from '../../lib/fs/vm/remap.js'
import { vmMsync } from '../../lib/fs/vm/sync.js'
import type { MountOptions } from '../../lib/config.js'
import { PAGE, Pool } from '../fault/pool.js'

export const HUGE = 512 * PAGE
export const RW = Prot.Read | Prot.Write
export { Advice, MapFlag, MremapFlag, MsyncFlag, PAGE, Prot }

/** 'ok', or the name of an errno. */
export type Answer = string

export interface MapOptions {
  readonly offset?: number
  readonly prot?: number
  readonly flags?: number
  readonly access?: 'r' | 'w' | 'rw'
  readonly address?: number
  readonly misalign?: number
  readonly file?: number
}

export class Space {
  readonly pool: Pool
  readonly machine: Machine

  constructor(options: MountOptions = {}) {
    this.pool = new Pool({ capacity: '64MiB', faultWorkers: 1, ...options })
    this.machine = machineOf(this.pool.pmem)
  }

  /** A file of holes. */
  file(bytes: number, name = 'a.pm'): DaxFile {
    return this.pool.pmem.open(name, { create: true, size: bytes, maxSize: '64MiB' })
  }

  /** A file whose page i is filled with byte 16 + i. */
  data(pages: number, name = 'a.pm'): DaxFile {
    const file = this.file(0, name)
    for (let page = 0; page < pages; page++) file.write(Buffer.alloc(PAGE, 16 + page), page * PAGE)
    return file
  }

  /** mmap that must succeed. Return: the address. */
  map(file: DaxFile, length: number, options: MapOptions = {}): number {
    const address = this.tryMap(file, length, options)
    if (address < 0) throw new Error(`mmap: ${errnoName(address)}`)
    return address
  }

  /** Return: the address, or -errno. */
  tryMap(file: DaxFile, length: number, options: MapOptions = {}): number {
    const defaults = { access: 'rw', offset: 0, prot: RW, flags: MapFlag.Shared } as const
    return vmMmap(this.machine, { ...defaults, ...options, inode: file.inode, length })
  }

  mapAnswer(file: DaxFile, length: number, options: MapOptions = {}): Answer {
    return answer(this.tryMap(file, length, options))
  }

  munmap(address: number, length: number): Answer {
    return answer(vmMunmap(this.machine, address, length))
  }

  mprotect(address: number, length: number, prot: number): Answer {
    return answer(vmMprotect(this.machine, address, length, prot))
  }

  msync(address: number, length: number, flags: number): Answer {
    return answer(vmMsync(this.machine, address, length, flags))
  }

  madvise(address: number, length: number, advice: number): Answer {
    return answer(vmMadvise(this.machine, address, length, advice))
  }

  mlock(address: number, length: number): Answer {
    return answer(vmMlock(this.machine, address, length))
  }

  munlock(address: number, length: number): Answer {
    return answer(vmMunlock(this.machine, address, length))
  }

  /** Return: the new address, or -errno. */
  mremap(address: number, from: number, to: number, flags: number, newAddress?: number, misalign = 0): number {
    return vmMremap(this.machine, address, from, to, flags, newAddress, misalign)
  }

  mremapAnswer(address: number, from: number, to: number, flags: number, newAddress?: number): Answer {
    return answer(this.mremap(address, from, to, flags, newAddress))
  }

  /** Digits a page, or the errno. */
  mincore(address: number, length: number): string {
    const out = new Uint8Array(64)
    const result = vmMincore(this.machine, address, length, out)
    return result < 0 ? answer(result) : out.subarray(0, Math.ceil(length / PAGE)).join('')
  }

  /** Run-length: 'd*1,.*511'. */
  pages(address: number, length: number): string {
    return vmPages(this.machine, address, length).replace(
      /(.)\1*/g,
      (run, letter: string) => `${letter}*${run.length},`,
    )
  }

  /** Return: the byte, or the signal that came instead. */
  load(address: number): number | 'SIGBUS' | 'SIGSEGV' {
    const out = new Uint8Array(1)
    return this.#access(address, false, out) ?? (out[0] as number)
  }

  store(address: number, byte: number): 'ok' | 'SIGBUS' | 'SIGSEGV' {
    return this.#access(address, true, Uint8Array.of(byte)) ?? 'ok'
  }

  /** Minor and major faults that `work` took. */
  faultsOf(work: () => void): string {
    this.settle()
    const before = this.pool.pmem.stats()
    work()
    this.settle()
    const after = this.pool.pmem.stats()
    return `${after.minorFaults - before.minorFaults},${after.majorFaults - before.majorFaults}`
  }

  /** A worker counts a fault a moment after the faulting thread goes on. */
  settle(): void {
    const { vmas, words } = this.machine
    for (let id = 1; id <= vmas.highest; id++) while (words.load(vmas.at(id) + 1) !== 0) words.wait(0, -1, 1)
  }

  close(): void {
    this.pool.close()
  }

  #access(address: number, write: boolean, bytes: Uint8Array): 'SIGBUS' | 'SIGSEGV' | undefined {
    const failure = new Float64Array(3)
    this.machine.addon.accessBytes(address, 1, 1, write, bytes, failure)
    if (failure[0] === 0) return undefined
    if (failure[0] !== 7) return 'SIGSEGV'
    accessFailed(this.machine, address, write)
    return 'SIGBUS'
  }
}

export function answer(result: number): Answer {
  return result < 0 ? errnoName(result) : 'ok'
}
