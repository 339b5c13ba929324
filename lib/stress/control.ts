/**
 * The memory the threads of a stress run share besides the mount: who does what, how much is done, and where they meet.
 *
 *   header   Stop, the barrier, the leader's decisions
 *   thread   what it is doing now, for the watchdog; then how often it has done what, by workload and operation
 *
 * A thread writes its own record with plain stores and advances Progress last; the watchdog reads it at any time and
 * may see a mixture of two operations, which is good enough for "what was it doing".
 */
import { AtomicWords } from '../sync/shared-words.js'
import { OPERATIONS, Operation, WORKLOADS } from './operations.js'

const enum HeaderWord {
  Stop = 0,
  Arrived = 1,
  /** Wait word of the barrier. */
  Generation = 2,
  Decision = 3,
  Workload = 4,
  Round = 5,
  Checks = 6,
  Session = 7,
  Size = 16,
}

const enum ThreadWord {
  Progress = 0,
  State = 1,
  Operation = 2,
  File = 3,
  Page = 4,
  OffsetInPage = 5,
  Length = 6,
  Counters = 8,
}

export const enum ThreadState {
  Starting = 0,
  Working = 1,
  AtBarrier = 2,
  Done = 3,
}

const STATES = ['starting', 'working', 'waiting for the others', 'done'] as const
const RECORD_WORDS = ThreadWord.Counters + WORKLOADS.length * Operation.Count
/** How long a thread at a barrier sleeps before it looks whether the run was stopped. */
const STOP_CHECK_MS = 200
const PAGE = 4096

/** The run ends here: another thread has failed, or the watchdog. Nothing to report. */
export class Stopped extends Error {
  override readonly name = 'Stopped'
}

/** What the watchdog sees of a thread. */
export interface ThreadLook {
  /** Changes with every operation. */
  readonly progress: number
  /** ThreadState. */
  readonly state: number
}

export class Control {
  readonly #words: AtomicWords

  static make(threads: number): SharedArrayBuffer {
    return new SharedArrayBuffer((HeaderWord.Size + threads * RECORD_WORDS) * 4)
  }

  constructor(
    buffer: SharedArrayBuffer,
    readonly threads: number,
  ) {
    this.#words = new AtomicWords(buffer)
  }

  stop(): void {
    this.#words.store(HeaderWord.Stop, 1)
    this.#words.notify(HeaderWord.Generation)
  }

  get isStopped(): boolean {
    return this.#words.load(HeaderWord.Stop) !== 0
  }

  get workload(): number {
    return this.#words.load(HeaderWord.Workload)
  }

  get round(): number {
    return this.#words.load(HeaderWord.Round)
  }

  get session(): number {
    return this.#words.load(HeaderWord.Session)
  }

  get checks(): number {
    return this.#words.load(HeaderWord.Checks)
  }

  /** Context: the leader. */
  setPlace(workload: number, session: number, round: number): void {
    this.#words.store(HeaderWord.Workload, workload)
    this.#words.store(HeaderWord.Session, session)
    this.#words.store(HeaderWord.Round, round)
  }

  /** Context: the leader. */
  countCheck(): void {
    this.#words.add(HeaderWord.Checks, 1)
  }

  get decision(): number {
    return this.#words.load(HeaderWord.Decision)
  }

  /** Context: the leader, between two barriers. */
  decide(decision: number): void {
    this.#words.store(HeaderWord.Decision, decision)
  }

  /** Say what the calling thread does from now on, and count it. Errors: Stopped. */
  begin(thread: number, workload: number, operation: Operation, file: number, offset: number, length: number): void {
    const words = this.#words
    const at = this.#at(thread)
    words.set(at + ThreadWord.Operation, operation)
    words.set(at + ThreadWord.File, file)
    words.set(at + ThreadWord.Page, Math.floor(offset / PAGE))
    words.set(at + ThreadWord.OffsetInPage, offset % PAGE)
    words.set(at + ThreadWord.Length, length)
    const counter = at + ThreadWord.Counters + workload * Operation.Count + operation
    words.set(counter, words.get(counter) + 1)
    words.set(at + ThreadWord.Progress, words.get(at + ThreadWord.Progress) + 1)
    if (this.isStopped) throw new Stopped()
  }

  setState(thread: number, state: ThreadState): void {
    this.#words.store(this.#at(thread) + ThreadWord.State, state)
    this.#words.add(this.#at(thread) + ThreadWord.Progress, 1)
  }

  /** Wait until all threads have come here. Errors: Stopped. */
  barrier(thread: number): void {
    const words = this.#words
    this.setState(thread, ThreadState.AtBarrier)
    const generation = words.load(HeaderWord.Generation)
    if (words.add(HeaderWord.Arrived, 1) + 1 === this.threads) {
      words.store(HeaderWord.Arrived, 0)
      words.add(HeaderWord.Generation, 1)
      words.notify(HeaderWord.Generation)
    }
    while (words.load(HeaderWord.Generation) === generation) {
      if (this.isStopped) throw new Stopped()
      words.wait(HeaderWord.Generation, generation, STOP_CHECK_MS)
    }
    this.setState(thread, ThreadState.Working)
  }

  /** Sleep until the process is killed. */
  park(): never {
    for (;;) this.#words.wait(HeaderWord.Stop, 1)
  }

  look(thread: number): ThreadLook {
    const at = this.#at(thread)
    return { progress: this.#words.load(at + ThreadWord.Progress), state: this.#words.load(at + ThreadWord.State) }
  }

  /** 'thread 2: store, file 1, page 17 + 8, 8 bytes'. */
  describe(thread: number): string {
    const words = this.#words
    const at = this.#at(thread)
    const state = words.load(at + ThreadWord.State)
    const operation = OPERATIONS[words.load(at + ThreadWord.Operation)] ?? '?'
    const page = words.load(at + ThreadWord.Page)
    const file = words.load(at + ThreadWord.File)
    const what = `${operation}, file ${file}, page ${page} + ${words.load(at + ThreadWord.OffsetInPage)}`
    const doing = state === ThreadState.Working ? '' : `${STATES[state] ?? '?'}; last `
    return `thread ${thread}: ${doing}${what}, ${words.load(at + ThreadWord.Length)} bytes`
  }

  /** How often all threads have done each operation in a workload. */
  counts(workload: number): number[] {
    return OPERATIONS.map((_, operation) => {
      let sum = 0
      for (let thread = 0; thread < this.threads; thread++) {
        sum += this.#words.load(this.#at(thread) + ThreadWord.Counters + workload * Operation.Count + operation)
      }
      return sum
    })
  }

  /** Operations of all kinds in a workload. */
  total(workload: number): number {
    return this.counts(workload).reduce((sum, count) => sum + count, 0)
  }

  #at(thread: number): number {
    return HeaderWord.Size + thread * RECORD_WORDS
  }
}
