/**
 * Exploring the interleavings of a harness: the model, and the controller that makes executions.
 *
 * ## The model
 *
 * Each thread of a harness is a Worker that runs the real kernel code over ScheduledWords. One runs at a time. A *step*
 * is one access to shared state: an atomic operation on a word, a wait, a notify, or what the doubles of the ports
 * declare as one (a load or store of user code with its walk of the page table, filling a page, writing a line to
 * media, taking a page out of cache and page tables). Steps are sequentially consistent, as Atomics are. Between two
 * steps a thread runs on its own.
 *
 * A *switch* is a step made by another thread than the one before. It is a *preemption* when the thread before could
 * have gone on; a switch because it sleeps, is done, or spins is free. A wait sleeps until a notify chooses it; it has
 * no timeout. A notify that wakes some of several sleepers may wake any of them: production waits look four times a
 * second whether the machine is dead and queue again, so the order is anybody's. There are no spurious wake-ups.
 *
 * ## Why not all switches need to be tried
 *
 *   1. A thread is preempted only before steps on words that it competes for: several threads touch the word, and one
 *      of them writes it. A step on any other word commutes with all steps of the others, so a preemption before it
 *      can as well happen before the next step that competes: same outcome, same number of preemptions. Which words
 *      these are is learned while exploring; when the set grows, exploring begins anew with it, so at the end
 *      all executions were made with one set.
 *   2. Plain accesses (get, set) are no steps. They are allowed only on words that a lock guards, or that one thread
 *      owns; race-detector.ts checks this in each execution, and a race is a violation. Without races, each stretch of
 *      plain accesses commutes with what others do meanwhile.
 *   3. The fourth and later load of one word in a row, nothing in between, is no place to preempt at: a spinning thread
 *      sees the same value until somebody else runs, and stopping it on the first round is the same as on the fiftieth.
 *   4. A thread that made 700 steps without writing anything spins, and yields: free, so that a spin on a word whose
 *      writer is not running ends. Sixty such yields in an execution, or too many steps, are a livelock.
 *   5. Threads that do the same begin in their order: another order is the same execution with the names exchanged.
 *
 * Not modelled: weak memory (JavaScript's Atomics are sequentially consistent, and races of plain accesses are
 * violations), the inside of a copy of bytes, failures of the host, and words that machine.ts lists as ignored.
 *
 * ## What an execution is checked for
 *
 * Deadlock, lost wake-up, livelock; data races; unlock by a stranger, of mutexes and of entries; a long sleep with an
 * entry lock held; K6 at every store to the tree; exceptions, so every assertion of the kernel; and at its end whatever
 * check-machine.ts and the harness require.
 */
import type { Worker } from 'node:worker_threads'
import { type SmallKernel, smallKernel } from '../support/small-kernel.js'
import { checkMachine, describeMachine } from './check-machine.js'
import { type Channel, Control, FAILURE_BYTES_MAX, GIVEN_MAX, WordFlag } from './control.js'
import type { ExecutionData } from './execution-thread.js'
import type { Harness } from './harness.js'
import { flagWords, ownersFor } from './machine.js'
import { RaceDetector } from './race-detector.js'
import { firstThread } from './schedulers/picks.js'
import type { Given, Plan, Run } from './schedulers/scheduler.js'
import { PAGE } from './harness.js'
import { releaseThread, startThread } from './thread-pool.js'
import { InvariantError, type Violation } from './violation.js'

const STEPS_MAX = 60_000
/** A thread that makes no step for so long will make none. */
const STUCK_MILLISECONDS = 20_000
/** Clocks begin anew before they overflow. */
const CLOCK_MAX = 1 << 30

export class Explorer {
  readonly #control: Int32Array
  readonly #words: Int32Array
  readonly #snapshot: Int32Array
  #clockBase = 1
  #stuck = false

  private constructor(
    readonly harness: Harness,
    private readonly kernel: SmallKernel,
    private readonly memory: { bytes: Uint8Array; snapshot: Uint8Array },
    private readonly channel: Channel,
    private readonly workers: readonly Worker[],
  ) {
    this.#control = new Int32Array(channel.control)
    this.#words = new Int32Array(kernel.handle.words)
    this.#snapshot = this.#words.slice()
  }

  /**
   * Build the machine of a harness and start its threads.
   * everyStep: take all words for competed for, so that a thread may be preempted before each step.
   */
  static async start(harness: Harness, everyStep = false): Promise<Explorer> {
    const kernel = smallKernel({ files: 1, pages: 8, mappings: 2, ...harness.sizes })
    harness.setup(kernel)
    const { layout } = kernel
    const channel: Channel = {
      control: new SharedArrayBuffer(Control.Size * 4),
      flags: new SharedArrayBuffer(layout.words * 4),
      clocks: new SharedArrayBuffer(RaceDetector.wordsFor(layout.words) * 4),
      owners: new SharedArrayBuffer(ownersFor(kernel.handle.sizes) * 4),
      failure: new SharedArrayBuffer(FAILURE_BYTES_MAX),
    }
    const flags = new Int32Array(channel.flags)
    if (everyStep) flags.fill(WordFlag.Hot)
    flagWords(flags, kernel)
    const workers: Worker[] = []
    // One after the other: each takes the next thread record.
    for (let thread = 0; thread < harness.threads.length; thread++) {
      const threads = harness.threads.length
      const data: ExecutionData = { channel, handle: kernel.handle, harness: harness.name, thread, threads }
      workers.push(await startThread(data))
    }
    const bytes = new Uint8Array(kernel.handle.memory)
    return new Explorer(harness, kernel, { bytes, snapshot: bytes.slice() }, channel, workers)
  }

  /** Make one execution. */
  run(plan: Plan): Run {
    const control = this.#control
    this.#reset()
    this.#prepare(plan)
    const mask = this.#beginners()
    const first = firstThread(control, mask)
    if ((mask & (mask - 1)) !== 0) control[Control.LogLength] = 1
    control.set([0, 0, mask], Control.Log)
    control.set([0, first], Control.Taken)
    control[Control.TakenLength] = 1
    this.#open(first)
    // In a loop: the notify of the execution before may come late.
    while (!this.#stuck && Atomics.load(control, Control.Done) === 0) {
      this.#stuck = Atomics.wait(control, Control.Done, 0, STUCK_MILLISECONDS) === 'timed-out'
    }
    this.#clockBase += (control[Control.Step] as number) + 8
    const violation = this.#stuck ? this.#stuckViolation() : this.#violation()
    return this.#report(violation)
  }

  async stop(): Promise<void> {
    const control = this.#control
    if (this.#stuck) {
      await Promise.all(this.workers.map((worker) => worker.terminate()))
      return
    }
    control[Control.Stop] = 1
    const released = this.workers.map((worker) => releaseThread(worker))
    this.workers.forEach((_, thread) => this.#open(thread))
    await Promise.all(released)
  }

  /** Words the threads compete for, as far as executions have shown. */
  get competing(): number {
    let count = 0
    for (const flags of new Int32Array(this.channel.flags)) if ((flags & WordFlag.Hot) !== 0) count++
    return count
  }

  #reset(): void {
    const { kernel } = this
    const { sizes } = kernel.handle
    const { media, pageTable } = kernel
    for (let inode = 1; inode <= sizes.files; inode++) {
      for (let page = 0; page < sizes.pages; page++) {
        const at = ((inode - 1) * sizes.pages + page) * PAGE
        this.#restore(media.cacheCell(inode, page), at)
        this.#restore(media.mediaCell(inode, page), sizes.files * sizes.pages * PAGE + at)
      }
    }
    const copies = 2 * sizes.files * sizes.pages * PAGE
    for (let vma = 1; vma <= sizes.mappings; vma++) {
      for (let page = 0; page < sizes.pages; page++) {
        this.#restore(pageTable.copyCell(vma, page), copies + ((vma - 1) * sizes.pages + page) * PAGE)
      }
    }
    this.#words.set(this.#snapshot)
  }

  /** Bytes whose count of writes has changed. */
  #restore(cell: number, at: number): void {
    if (this.#words[cell] === this.#snapshot[cell]) return
    const { bytes, snapshot } = this.memory
    bytes.set(snapshot.subarray(at, at + PAGE), at)
  }

  #prepare(plan: Plan): void {
    const control = this.#control
    if (this.#clockBase > CLOCK_MAX) {
      new Int32Array(this.channel.clocks).fill(0)
      this.#clockBase = 1
    }
    control.fill(0, 0, Control.Given)
    control[Control.Mode] = plan.mode
    control[Control.ClockBase] = this.#clockBase
    control[Control.Bound] = plan.bound
    control[Control.StepsMax] = STEPS_MAX
    control[Control.Threads] = this.workers.length
    control[Control.Random] = plan.seed ?? 0
    control[Control.Rarity] = plan.rarity ?? 1
    control[Control.NextPriority] = 100
    plan.priorities?.forEach((priority, thread) => (control[Control.Priority + thread] = priority))
    if (plan.given.length > GIVEN_MAX) throw new RangeError(`a schedule of ${plan.given.length} switches`)
    plan.given.forEach(({ step, choice }, i) => {
      control[Control.Given + 2 * i] = step
      control[Control.Given + 2 * i + 1] = choice
    })
    control[Control.GivenLength] = plan.given.length
    control[Control.NextGivenStep] = plan.given[0]?.step ?? -1
  }

  /** Threads that may begin: of those that do the same, the first. */
  #beginners(): number {
    const { threads } = this.harness
    let mask = 0
    threads.forEach(({ run }, thread) => {
      const before = threads.slice(0, thread).findLastIndex((other) => other.run === run)
      this.#control[Control.After + thread] = before + 1
      if (before < 0) mask |= 1 << thread
    })
    return mask
  }

  #open(thread: number): void {
    Atomics.store(this.#control, Control.Gate + thread, 1)
    Atomics.notify(this.#control, Control.Gate + thread)
  }

  /** What went wrong while it ran, or in the state it left. */
  #violation(): Violation | undefined {
    const control = this.#control
    if (control[Control.Failed] === 1) {
      const bytes = new Uint8Array(this.channel.failure, 0, control[Control.FailureLength]).slice()
      this.#abort()
      return JSON.parse(new TextDecoder().decode(bytes)) as Violation
    }
    try {
      if (this.harness.checksMachine !== false) checkMachine(this.kernel)
      this.harness.check(this.kernel, this.#results())
      return undefined
    } catch (error) {
      if (error instanceof InvariantError) return { kind: 'invariant', message: error.message }
      return { kind: 'invariant', message: error instanceof Error ? (error.stack ?? error.message) : String(error) }
    }
  }

  /** Let the threads that are parked in the middle of something leave it. */
  #abort(): void {
    const control = this.#control
    control[Control.Aborting] = 1
    let inside = 0
    for (let thread = 0; thread < this.workers.length; thread++) {
      if (control[Control.Started + thread] === 1) inside++
    }
    for (let thread = 0; thread < this.workers.length; thread++) {
      if (control[Control.Started + thread] === 1) this.#open(thread)
    }
    for (let left = Atomics.load(control, Control.Unwound); left < inside;) {
      if (Atomics.wait(control, Control.Unwound, left, STUCK_MILLISECONDS) === 'timed-out') {
        throw new Error('a thread does not leave an execution that is over')
      }
      left = Atomics.load(control, Control.Unwound)
    }
    new Int32Array(this.channel.owners).fill(0)
  }

  #stuckViolation(): Violation {
    const message = `no step for ${STUCK_MILLISECONDS / 1000} s: a loop without a step; the threads are lost`
    return { kind: 'stuck', message }
  }

  #report(violation: Violation | undefined): Run {
    const control = this.#control
    const taken: Given[] = []
    for (let i = 0; i < (control[Control.TakenLength] as number); i++) {
      const at = Control.Taken + 2 * i
      taken.push({ step: control[at] as number, choice: control[at + 1] as number })
    }
    return {
      violation,
      steps: control[Control.Step] as number,
      preemptions: control[Control.Preemptions] as number,
      taken,
      log: control.slice(Control.Log, Control.Log + 3 * (control[Control.LogLength] as number)),
      grew: control[Control.Grew] === 1,
      state: violation === undefined ? describeMachine(this.kernel, this.#results()) : violation.kind,
    }
  }

  #results(): number[] {
    return this.workers.map((_, thread) => this.#control[Control.Result + thread] as number)
  }
}
