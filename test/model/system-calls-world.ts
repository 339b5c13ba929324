/** A mounted pool and the reference of it, and what both do at every file call. */
import { expect } from 'chai'
import { mkdirSync, rmSync } from 'node:fs'
import { type DaxFile, type DaxMapping, type MountOptions, PmemError, type Pmem, mount } from '../../lib/index.js'
import type { Errno } from '../../lib/errors.js'
import { errnoName } from '../../lib/errors.js'
import type { Machine } from '../../lib/fault/machine.js'
import { liveInodes } from '../../lib/fs/inode-cache.js'
import { machineOf } from '../../lib/fs/pmem.js'
import { readBytes } from '../../lib/fs/read-write.js'
import { MapFlag, Prot } from '../../lib/fs/vm/abi.js'
import { vmMmap, vmMunmap } from '../../lib/fs/vm/map.js'
import { PAGE, type ReferenceFile, type ReferenceMapping, isEqual, pagesIn } from './system-calls-reference.js'

export interface Open {
  readonly real: DaxFile
  readonly file: ReferenceFile
  readonly readOnly: boolean
}

export interface Mapped {
  readonly real: DaxMapping
  readonly model: ReferenceMapping
  readonly inode: number
}

/** 'ok' or the code of the error, and what came with it. */
export interface Outcome {
  readonly code: string
  readonly value?: unknown
  /** Of the failure, when it says. */
  readonly offset?: number
}

export interface Setting {
  readonly title: string
  readonly options: MountOptions & { flavour: 'ext4' | 'xfs' }
  /** Files grow to about that many bytes. */
  readonly span: number
  /** Running out of space is part of it. */
  readonly tight: boolean
}

/** Small pools, so that a mount is quick and their ends are met. */
const POOLS: MountOptions = {
  faultWorkers: 1,
  maxThreads: 8,
  maxFiles: 16,
  maxMappings: 256,
  maxTreeNodes: 4096,
  maxExtents: 8192,
  maxPendingLines: 48,
  maxTraceRecords: 16,
}

export class World {
  pmem: Pmem
  opens: Open[] = []
  mapped: Mapped[] = []
  /** Files with a name, or users. */
  files: ReferenceFile[] = []
  /** Every file may grow to this many bytes while it is open. */
  readonly reserve: number
  readonly #path: string

  constructor(
    directory: string,
    readonly setting: Setting,
  ) {
    this.#path = directory
    mkdirSync(directory)
    this.reserve = Math.ceil((setting.span * 2) / (512 * PAGE)) * 512 * PAGE
    this.pmem = mount(directory, { ...POOLS, ...setting.options })
  }

  get machine(): Machine {
    return machineOf(this.pmem)
  }

  get isExt4(): boolean {
    return this.setting.options.flavour === 'ext4'
  }

  get isZeroCopy(): boolean {
    return this.setting.options.zeroCopy === true
  }

  named(name: string): ReferenceFile | undefined {
    return this.files.find((file) => file.name === name)
  }

  mappingsOf(file: ReferenceFile): ReferenceMapping[] {
    return this.mapped.filter(({ model }) => model.file === file).map(({ model }) => model)
  }

  /** Give up one user of a file. */
  release(file: ReferenceFile): void {
    file.users--
    if (file.users > 0) return
    file.tailMayBeGone = true
    if (file.name === undefined) this.files = this.files.filter((other) => other !== file)
  }

  /** What lies past the end of a file that shrank goes, private copies too. */
  cutCopies(file: ReferenceFile): void {
    for (const mapping of this.mappingsOf(file)) mapping.dropCopiesFrom(pagesIn(file.size))
  }

  /** Was it right to say that there is no space? needed: pages that had to be found, at most. */
  expectNoSpace(needed: number): void {
    expect(this.setting.tight, 'no space in a pool that has plenty').to.equal(true)
    expect(this.machine.pfns.freePages, 'free pages when there is no space').to.be.lessThan(needed)
  }

  inodeOf(file: ReferenceFile): number | undefined {
    const open = this.opens.find((candidate) => candidate.file === file)
    return open?.real.inode ?? this.mapped.find(({ model }) => model.file === file)?.inode
  }

  /** Do something with the inode of a file, opened for that if nobody has it. */
  withInode<Result>(file: ReferenceFile, work: (inode: number) => Result): Result {
    const inode = this.inodeOf(file)
    if (inode !== undefined) return work(inode)
    const real = this.pmem.open(file.name as string, { maxSize: this.reserve })
    try {
      return work(real.inode)
    } finally {
      real.close()
    }
  }

  contents(file: ReferenceFile): Uint8Array {
    return this.withInode(file, (inode) => {
      const { machine } = this
      const size = machine.inodes.sizeOf(inode)
      const bytes = new Uint8Array(size)
      if (size > 0) expect(readBytes(machine, inode, machine.addon.addressOf(bytes), size, 0)).to.equal(size)
      return bytes
    })
  }

  /** Bytes past EOF that are zero in the real file, and may be, are zero in the reference from now on. */
  adoptTail(file: ReferenceFile, inode: number): void {
    file.tailMayBeGone = false
    const expected = file.tail
    if (expected.every((byte) => byte === 0)) return
    const start = Math.floor(file.size / PAGE) * PAGE
    const request = { inode, access: 'r', offset: start, length: PAGE, prot: Prot.Read, flags: MapFlag.Shared } as const
    const { machine } = this
    const address = vmMmap(machine, request)
    expect(address).to.be.greaterThan(0)
    const tail = new Uint8Array(expected.length)
    const copied = machine.addon.copyMemory(machine.addon.addressOf(tail), address + file.size - start, tail.length)
    vmMunmap(machine, address, PAGE)
    expect(copied).to.equal(tail.length)
    expect(tail.every((byte, i) => byte === 0 || byte === expected[i])).to.equal(true, 'bytes past EOF')
    file.setTail(tail)
  }

  /** Every byte of every file and mapping, and every invariant inside. */
  verify(): void {
    expect(this.pmem.list()).to.deep.equal(this.files.flatMap(({ name }) => name ?? []).sort())
    for (const file of this.files)
      expectBytes(this.contents(file), file.read(0, file.size), `file ${file.name ?? '(unlinked)'}`)
    this.mapped.forEach(({ real, model }, number) => {
      expect(real.byteLength).to.equal(model.length)
      for (let at = 0; at < model.length; at += PAGE) {
        const length = Math.min(PAGE, model.length - at)
        const { refusal } = model.reach(at, length, false)
        const outcome = attempt(() => real.tryRead(at, length))
        expect(outcome.code, `page ${at / PAGE} of mapping ${number}`).to.equal(refusal ?? 'ok')
        if (refusal === undefined)
          expectBytes(outcome.value as Uint8Array, model.load(at, length), `mapping ${number}`, at)
      }
    })
    this.verifyInside()
  }

  verifyInside(): void {
    this.pmem.verify()
  }

  /** Everything goes, and nothing may be left. */
  clear(): void {
    for (const { real } of this.mapped.splice(0)) real.unmap()
    for (const { real } of this.opens.splice(0)) real.close()
    for (const name of this.pmem.list()) this.pmem.unlink(name)
    this.pmem.fence()
    this.files = []
    this.verifyInside()
    const { pfns } = this.machine
    expect(pfns.freePages, 'free pages of an empty pool').to.equal(pfns.capacityPages)
    expect(liveInodes(this.machine), 'inodes of an empty pool').to.deep.equal([])
  }

  remount(): void {
    this.pmem.close()
    this.opens = []
    this.mapped = []
    this.files = this.files.filter((file) => file.name !== undefined)
    for (const file of this.files) {
      file.users = 0
      file.adopt(file.read(0, file.size))
    }
    this.pmem = mount(this.#path, { ...POOLS, ...this.setting.options })
  }

  /** For good; also after a failure, whatever is broken by then. */
  destroy(): void {
    try {
      this.pmem.close()
    } catch {
      // The failure that brought us here is the one to report.
    }
    rmSync(this.#path, { recursive: true, force: true })
  }
}

export function attempt(call: () => unknown): Outcome {
  try {
    return { code: 'ok', value: call() }
  } catch (error) {
    if (!(error instanceof PmemError)) throw error
    return 'offset' in error ? { code: error.code, offset: error.offset as number } : { code: error.code }
  }
}

export function outcomeOf(result: Errno): Outcome {
  return result < 0 ? { code: errnoName(result) } : { code: 'ok', value: result }
}

export function expectBytes(real: Uint8Array, expected: Uint8Array, what: string, at = 0): void {
  if (isEqual(real, expected)) return
  expect(real.length, `length of ${what}`).to.equal(expected.length)
  const first = real.findIndex((byte, i) => byte !== expected[i])
  let last = real.length - 1
  while (real[last] === expected[last]) last--
  expect.fail(
    `${what}: bytes ${at + first}..${at + last} differ, the first is ${real[first]} and should be ${expected[first]}`,
  )
}

/** Never zero, and different from line to line. */
export function pattern(length: number, fill: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = 1 + ((fill + i * 7) % 255)
  return bytes
}
