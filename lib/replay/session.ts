/** What a scenario has open while it runs: a mount of its own, named descriptors, named mappings. */
import { type Errno, errnoName } from '../errors.js'
import type { Machine } from '../fault/machine.js'
import { type Pmem, machineOf } from '../fs/pmem.js'
import { NamedMaps, type NamedMap } from './named-maps.js'
import { Observer } from './observe.js'
import type { Outcome } from './record.js'
import type { Operation } from './scenario.js'

export interface OpenFile {
  readonly inode: number
  /** Which open it was: mappings of different ones stay apart. */
  readonly number: number
  readonly access: 'r' | 'w' | 'rw'
  readonly append: boolean
  /** O_SYNC, O_DSYNC: each write is followed by a sync of what it wrote. */
  readonly sync: boolean
}

export class Session {
  readonly pmem: Pmem
  readonly machine: Machine
  readonly files = new Map<string, OpenFile>()
  opens = 0
  readonly maps = new NamedMaps()
  readonly observer: Observer
  /** Inode of the file that takes up the space, held open: 0 when there is none. */
  filler = 0
  /** Faults that the model of a fork adds to those the machine counts. */
  extraMinorFaults = 0
  /** Addresses of pages that a fork has made copy-on-write for this process too. */
  readonly forkedPages = new Set<number>()

  constructor(pmem: Pmem) {
    this.pmem = pmem
    this.machine = machineOf(pmem)
    this.observer = new Observer(this.machine)
  }

  /** Run a system call. Loads and stores are none. */
  call<Result>(name: string, work: (machine: Machine) => Result): Result {
    return this.pmem.calls.run(name, work)
  }

  file(operation: Operation, field = 'fd'): OpenFile | undefined {
    return this.files.get(operation.texts[field] ?? '')
  }

  map(operation: Operation): NamedMap | undefined {
    return this.maps.get(operation.texts['map'] ?? '')
  }
}

/** The mapping was never made: this operation follows one that was expected to fail. */
export const NO_MAP: Outcome = { ret: -1, errno: 'NOMAP' }

/** Return: the outcome of a system call that gave a count, or -errno. */
export function outcomeOf(result: Errno): Outcome {
  return result < 0 ? { ret: -1, errno: errnoName(result) } : { ret: result }
}

/** A field that is a number, or 0. */
export function numberOf(operation: Operation, field: string, otherwise = 0): number {
  return operation.numbers[field] ?? otherwise
}

export function textOf(operation: Operation, field: string, otherwise = ''): string {
  return operation.texts[field] ?? otherwise
}
