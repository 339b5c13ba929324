/**
 * A thread of executions: a Worker that waits for its turn, runs its part of the harness, and waits
 * again; when the explorer of that harness is stopped, it waits for another one.
 */
import { parentPort } from 'node:worker_threads'
import { type SmallHandle, type SmallKernel, attachSmall } from '../support/small-kernel.js'
import { type Channel, Control, FAILURE_BYTES_MAX } from './control.js'
import { findHarness } from './harnesses/registry.js'
import { attachScheduled } from './machine.js'
import type { RaceDetector } from './race-detector.js'
import { describeStuck } from './sleepers.js'
import { Turnstile } from './turnstile.js'
import { InvariantError, Unwind, type ViolationKind } from './violation.js'

export interface ExecutionData {
  readonly channel: Channel
  readonly handle: SmallHandle
  readonly harness: string
  readonly thread: number
  readonly threads: number
}

/** What a thread answers, to be told the next harness, or the turn. */
export type Answer = 'ready' | 'idle'

parentPort?.on('message', (data: ExecutionData) => {
  new ExecutionThread(data).serve()
  parentPort?.postMessage('idle' satisfies Answer)
})

class ExecutionThread {
  readonly #control: Int32Array
  readonly #turnstile: Turnstile
  readonly #races: RaceDetector
  readonly #kernel: SmallKernel
  readonly #run: (kernel: SmallKernel) => number

  constructor(private readonly data: ExecutionData) {
    const { channel, handle, thread, threads } = data
    const control = new Int32Array(channel.control)
    const note = (kind: ViolationKind, message: string): void => this.#note(kind, message)
    this.#control = control
    this.#turnstile = new Turnstile(control, new Int32Array(channel.flags), thread, note)
    const { kernel, races } = attachScheduled(handle, channel, this.#turnstile, threads)
    this.#kernel = kernel
    this.#races = races
    this.#run = findHarness(data.harness).threads[thread]?.run ?? (() => 0)
    // For looking at the machine from outside. Its thread record is given back: it is nobody.
    const plain = attachSmall(handle)
    plain.threads.release(plain.self)
    this.#turnstile.onStuck = () => {
      const { kind, message } = describeStuck(plain, control, new Int32Array(channel.owners))
      note(kind, message)
    }
  }

  /** Context: returns when the explorer is stopped; sleeps at the gate until then. */
  serve(): void {
    parentPort?.postMessage('ready' satisfies Answer)
    for (;;) {
      this.#turnstile.waitAtGate()
      if (this.#control[Control.Stop] === 1) return
      this.#execute()
    }
  }

  /** The turn is ours: from the start of our part to its end, or to a violation. */
  #execute(): void {
    const control = this.#control
    const { thread } = this.data
    control[Control.Started + thread] = 1
    this.#races.begin(control[Control.ClockBase] as number)
    this.#kernel.ports.calls.length = 0
    this.#turnstile.begin()
    try {
      control[Control.Result + thread] = this.#run(this.#kernel)
    } catch (error) {
      if (!(error instanceof Unwind)) this.#noteError(error)
    }
    control[Control.Started + thread] = 0
    if (control[Control.Aborting] === 1) {
      this.#turnstile.active = false
      Atomics.add(control, Control.Unwound, 1)
      Atomics.notify(control, Control.Unwound)
      return
    }
    if (control[Control.Failed] === 1) this.#turnstile.active = false
    else if (this.#turnstile.finish()) return
    Atomics.store(control, Control.Done, 1)
    Atomics.notify(control, Control.Done)
  }

  #noteError(error: unknown): void {
    if (error instanceof InvariantError) this.#note('invariant', error.message)
    else this.#note('assertion', error instanceof Error ? (error.stack ?? error.message) : String(error))
  }

  /** The first violation of an execution is the one that is told. */
  #note(kind: ViolationKind, message: string): void {
    const control = this.#control
    if (control[Control.Failed] === 1) return
    const bytes = new TextEncoder().encode(JSON.stringify({ kind, message })).subarray(0, FAILURE_BYTES_MAX)
    new Uint8Array(this.data.channel.failure).set(bytes)
    control[Control.FailureLength] = bytes.length
    control[Control.Failed] = 1
  }
}
