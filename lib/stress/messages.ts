/** What the parts of a stress run tell each other: parent process, stress process, its threads. */
import type { FlavourName } from '../dax/flavour.js'
import type { InjectRule } from '../inject-rules.js'
import type { MountHandle } from '../fs/pmem.js'
import type { WorkloadName } from './operations.js'

/** What to do, all of it decided. */
export interface StressPlan {
  readonly threads: number
  readonly files: number
  readonly seed: number
  readonly flavour: FlavourName
  readonly workloads: readonly WorkloadShare[]
  /** Directory that pools are made in. */
  readonly directory: string
  /** A thread that has done nothing for so long is reported, and ends the run. */
  readonly stallMs: number
  /** Every thread collects its garbage when it has left a mount, so that what is held then is held for a reason. */
  readonly collects: boolean
  /** What fails in the workload 'failing'; without it that decides itself. */
  readonly inject?: readonly InjectRule[]
  /** For tests of the checks: a module whose `meddle(stage)` breaks something at the end of each round. */
  readonly meddler?: string
}

/** Whatever comes first ends a workload: operations of all threads, or time. */
export interface WorkloadShare {
  readonly name: WorkloadName
  readonly operations: number
  readonly milliseconds: number
}

/** Faults and where threads met, summed over mounts. */
export interface KernelTotals {
  faults: number
  faultsRetried: number
  lockedEntries: number
  rangeConflicts: number
  hugeConflicts: number
  /** Operations that an injected error hit. */
  injected: number
}

export interface StressFailure {
  /** mismatch: a byte or an invariant; stall: the watchdog; death: the process ended; error: anything else. */
  readonly kind: 'mismatch' | 'stall' | 'death' | 'error'
  readonly workload: WorkloadName
  /** A pool from mount to unmount, from 1 on, and a round of it. */
  readonly session: number
  readonly round: number
  readonly message: string
}

/** What a process has. */
export interface Resources {
  /** Bytes: resident, of that caches and other shared memory, address space. */
  readonly rss: number
  readonly shared: number
  readonly virtual: number
  /** Bytes: the main thread's JavaScript heap, and what that holds outside of it. */
  readonly heap: number
  readonly external: number
  readonly descriptors: number
  readonly threads: number
  /** Lines of /proc/self/maps. */
  readonly mappings: number
}

export interface StressProgress {
  readonly workload: WorkloadName
  /** A pool from mount to unmount, from 1 on, and a round of it. */
  readonly session: number
  readonly round: number
  /** By workload (in the order of WORKLOADS) and operation. */
  readonly counts: readonly (readonly number[])[]
  readonly checks: number
  /** Of the process the run happens in. */
  readonly resources: Resources
  /** What each thread is doing. */
  readonly threads: readonly string[]
}

/** Of a thread to the process it runs in. */
export type ThreadMessage =
  | { readonly kind: 'mounted'; readonly handle: MountHandle }
  | { readonly kind: 'unmounted' }
  | { readonly kind: 'ended'; readonly workload: WorkloadName; readonly seconds: number; readonly kernel: KernelTotals }
  | { readonly kind: 'failed'; readonly failure: StressFailure }
  | { readonly kind: 'done' }

/** Of the stress process to its parent. */
export type ProcessMessage =
  | { readonly kind: 'progress'; readonly progress: StressProgress }
  | { readonly kind: 'ended'; readonly workload: WorkloadName; readonly seconds: number; readonly kernel: KernelTotals }
  | { readonly kind: 'failed'; readonly failure: StressFailure; readonly progress: StressProgress }
  | { readonly kind: 'done'; readonly progress: StressProgress }
