/**
 * What a workload runs on. All threads run the same code at the same time (thread 0, the leader, does what only one can
 * do) and meet at barriers. Between two barriers they race.
 *
 * A workload is a function that runs one session: mount a new pool, rounds until `again` says no, leave. It draws
 * everything from seeds of (seed, session, round, thread), so that the same command does the same operations; only
 * their interleaving is the machine's.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import { DIRTY_TRACKINGS, type MountOptions } from '../config.js'
import { hasAsyncTracking } from '../fs/async-tracking.js'
import { attach, mount } from '../fs/mount.js'
import type { InjectRule } from '../inject-rules.js'
import type { MountHandle, Pmem } from '../fs/pmem.js'
import { Prng } from '../prng.js'
import { collectGarbage } from './collect-garbage.js'
import type { Control } from './control.js'
import type { KernelTotals, StressPlan, ThreadMessage } from './messages.js'
import { Mismatch } from './mismatch.js'
import { Operation } from './operations.js'

/** The whole state is verified this often, between rounds. */
const CHECK_EVERY_MS = 400

export interface StageSettings {
  readonly plan: StressPlan
  readonly thread: number
  readonly control: Control
  /** The leader's to every other thread; every other thread's one to the leader. */
  readonly ports: readonly MessagePort[]
  readonly tell: (message: ThreadMessage) => void
  readonly meddle: ((stage: Stage) => void) | undefined
}

export class Stage {
  readonly threads: number
  readonly thread: number
  readonly files: number
  session = 0
  round = 0
  #pmem: Pmem | undefined
  #handle: MountHandle | undefined
  #workload = 0
  #operationsLimit = Infinity
  #deadline = Infinity
  #checkedAt = 0
  #kernel: KernelTotals = noTotals()

  constructor(private readonly settings: StageSettings) {
    this.threads = settings.plan.threads
    this.thread = settings.thread
    this.files = settings.plan.files
  }

  get isLeader(): boolean {
    return this.thread === 0
  }

  get pmem(): Pmem {
    if (this.#pmem === undefined) throw new Error('no pool is mounted')
    return this.#pmem
  }

  /** What is to fail where failures are wanted, if the command says so. */
  get rules(): readonly InjectRule[] | undefined {
    return this.settings.plan.inject
  }

  get flavour(): 'ext4' | 'xfs' {
    return this.settings.plan.flavour
  }

  /** Called by the thread for each workload, before its first session. */
  start(workload: number, operations: number, milliseconds: number): void {
    this.#workload = workload
    this.#operationsLimit = operations
    this.#deadline = performance.now() + milliseconds
    this.#kernel = noTotals()
    this.session = 0
    this.round = 0
  }

  /** Return: true while the workload has budget left; the same in all threads. */
  wantsSession(): boolean {
    this.session++
    this.round = 0
    if (this.isLeader) this.settings.control.setPlace(this.#workload, this.session, 0)
    return this.#agree(() => this.#hasBudget())
  }

  get kernel(): KernelTotals {
    return this.#kernel
  }

  /** What the thread does from here on, and count it: one load, store or system call. Errors: Stopped. */
  op(operation: Operation, file: number, offset: number, length: number): void {
    this.settings.control.begin(this.thread, this.#workload, operation, file, offset, length)
  }

  barrier(): void {
    this.settings.control.barrier(this.thread)
  }

  /** A generator that is the same in every run with this seed. */
  prng(...parts: readonly number[]): Prng {
    let seed = this.settings.plan.seed % 2 ** 31
    for (const part of [this.#workload, this.session, ...parts]) seed = (seed * 31 + part + 1) % 2 ** 40
    return new Prng(seed)
  }

  /** One for this thread in this round. */
  roundPrng(): Prng {
    return this.prng(this.round, this.thread)
  }

  /**
   * End of a round. The leader verifies the whole state now and then, while the others wait.
   * Return: true while there is to be another one; false after `rounds` of a session.
   */
  again(rounds: number): boolean {
    this.barrier()
    this.settings.meddle?.(this)
    this.barrier()
    if (this.isLeader && this.#pmem !== undefined) this.verify()
    this.round++
    if (this.isLeader) this.settings.control.setPlace(this.#workload, this.session, this.round)
    return this.#agree(() => this.#hasBudget() && this.round < rounds)
  }

  /** Every invariant of the mount. Context: the leader, while the others wait. */
  verify(always = false): void {
    const now = performance.now()
    if (!always && now - this.#checkedAt < CHECK_EVERY_MS) return
    this.pmem.verify()
    this.settings.control.countCheck()
    this.#checkedAt = performance.now()
  }

  /** Hand something the leader makes to all threads. It must be structured-cloneable. */
  share<Value>(make: () => Value): Value {
    let value: Value | undefined
    if (this.isLeader) {
      value = make()
      for (const port of this.settings.ports) port.postMessage({ value })
    }
    this.barrier()
    if (this.isLeader) return value as Value
    const [port] = this.settings.ports
    const received = port === undefined ? undefined : (receiveMessageOnPort(port)?.message as { value: Value })
    if (received === undefined) throw new Error('the leader has sent nothing')
    return received.value
  }

  /** All threads: mount the pool of this session, which is made if it is not there. */
  enter(options: MountOptions = {}): void {
    const { tell, plan } = this.settings
    const all: MountOptions = { capacity: '512MiB', flavour: plan.flavour, ...this.#settingsByChance(), ...options }
    if (this.isLeader) {
      this.op(Operation.Mount, 0, 0, 0)
      this.#pmem = mount(this.#path(), { ...all, maxThreads: this.threads + 8 })
      tell({ kind: 'mounted', handle: this.#pmem.handle })
    }
    this.#handle = this.share(() => this.pmem.handle)
    if (!this.isLeader) this.#pmem = attach(this.#handle)
    this.barrier()
  }

  /** All threads: unmount. The leader is the last, so that the fault workers it has started serve everybody. */
  leave(): void {
    this.barrier()
    if (!this.isLeader) this.pmem.close()
    this.barrier()
    if (this.isLeader) {
      this.verify(true)
      this.#addTotals()
      this.pmem.close()
      this.settings.tell({ kind: 'unmounted' })
    }
    this.#pmem = undefined
    this.#handle = undefined
    if (this.settings.plan.collects) collectGarbage()
    this.barrier()
  }

  /** All threads, after leave: the pool of this session goes. */
  discard(): void {
    if (this.isLeader) rmSync(this.#path(), { recursive: true, force: true })
    this.barrier()
  }

  /** What is to fail from now on, in all threads. Context: the leader. */
  inject(rules: readonly InjectRule[]): void {
    for (const { failed } of Object.values(this.pmem.injected())) this.#kernel.injected += failed
    this.pmem.inject(rules)
  }

  /** Something is not as it should be. */
  fail(message: string): never {
    throw new Mismatch(message)
  }

  #path(): string {
    return join(this.settings.plan.directory, `pool-${this.#workload}-${this.session}`)
  }

  /** Sizes that make rare things frequent: colliding wait queues, deep trees, evictions. */
  #settingsByChance(): MountOptions {
    const prng = this.prng(77)
    const pick = <Item>(items: readonly Item[]): Item => items[prng.below(items.length)] as Item
    return {
      faultWorkers: 2 + prng.below(2),
      waitBuckets: pick([1, 16, 4096]),
      treeNodeBits: pick([3, 6]),
      maxPendingLines: pick([64, 16384]),
      hugePages: prng.below(8) !== 0,
      faultAround: pick([1, 1, 16]),
      dirtyTracking: pick(hasAsyncTracking() ? DIRTY_TRACKINGS : ['sync']),
    }
  }

  #hasBudget(): boolean {
    const { control } = this.settings
    return performance.now() < this.#deadline && control.total(this.#workload) < this.#operationsLimit
  }

  #agree(decide: () => boolean): boolean {
    const { control } = this.settings
    if (this.isLeader) control.decide(decide() ? 1 : 0)
    this.barrier()
    const decision = control.decision === 1
    this.barrier()
    return decision
  }

  #addTotals(): void {
    const { faults, faultsRetried, lockedEntries, rangeConflicts, hugeConflicts } = this.pmem.stats()
    const kernel = this.#kernel
    for (const { count } of Object.values(faults)) kernel.faults += count
    kernel.faultsRetried += faultsRetried
    kernel.lockedEntries += lockedEntries
    kernel.rangeConflicts += rangeConflicts
    kernel.hugeConflicts += hugeConflicts
  }
}

function noTotals(): KernelTotals {
  return { faults: 0, faultsRetried: 0, lockedEntries: 0, rangeConflicts: 0, hugeConflicts: 0, injected: 0 }
}
