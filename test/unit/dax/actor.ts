/**
 * Another thread of a small kernel, told what to do step by step.
 *
 * A job may name a port call at which the thread stops, in the middle of its section and holding what it holds there,
 * until it is released. So each interleaving of a test is made, not hoped for.
 */
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import type { SmallHandle } from '../../support/small-kernel.js'

export type Job = {
  /** Stop at the first port call that begins with this. */
  readonly pauseAt?: string
} & (
  | { readonly kind: 'load'; readonly vma: number; readonly offset: number }
  | { readonly kind: 'store'; readonly vma: number; readonly offset: number; readonly byte: number }
  | { readonly kind: 'delete'; readonly inode: number; readonly first: number; readonly last: number }
  | { readonly kind: 'sync'; readonly inode: number; readonly first: number; readonly last: number }
  /** The lock of a truncate, taken and given back. */
  | { readonly kind: 'truncate'; readonly inode: number; readonly first: number; readonly last: number }
  | { readonly kind: 'drain'; readonly inode: number }
  | { readonly kind: 'fail'; readonly pfn: number }
  | { readonly kind: 'repair'; readonly inode: number; readonly first: number; readonly end: number }
  | { readonly kind: 'stop' }
)

export interface ActorData {
  readonly handle: SmallHandle
  readonly gate: SharedArrayBuffer
}

/** In place of the byte of a load or store that could not be made. */
export const SIGBUS = -1000

export const enum Gate {
  /** 1: the thread has stopped where it was told to. */
  Paused = 0,
  /** 1: it may go on. */
  Go = 1,
  /** Jobs done. */
  Done = 2,
  Words = 3,
}

export class Actor {
  readonly #worker: Worker
  readonly #gate: Int32Array

  private constructor(handle: SmallHandle) {
    const gate = new SharedArrayBuffer(Gate.Words * 4)
    this.#gate = new Int32Array(gate)
    const data: ActorData = { handle, gate }
    this.#worker = new Worker(new URL('./actor-thread.js', import.meta.url), { workerData: data })
  }

  static async start(handle: SmallHandle): Promise<Actor> {
    const actor = new Actor(handle)
    await once(actor.#worker, 'message')
    return actor
  }

  /** Return: what the job gave (a byte, a count, an errno; SIGBUS), once it is done. */
  async run(job: Job): Promise<number> {
    Atomics.store(this.#gate, Gate.Go, 0)
    this.#worker.postMessage(job)
    const [result] = (await once(this.#worker, 'message')) as [number]
    return result
  }

  /** Run a job up to its pauseAt. Return: its outcome, to be awaited after release. */
  async runToPause(job: Job): Promise<{ readonly done: Promise<number> }> {
    const done = this.run(job)
    await until(() => Atomics.load(this.#gate, Gate.Paused) === 1, `stopped at ${job.pauseAt ?? ''}`)
    return { done }
  }

  release(): void {
    Atomics.store(this.#gate, Gate.Paused, 0)
    Atomics.store(this.#gate, Gate.Go, 1)
    Atomics.notify(this.#gate, Gate.Go)
  }

  /** Jobs finished so far. */
  get finished(): number {
    return Atomics.load(this.#gate, Gate.Done)
  }

  async stop(): Promise<void> {
    await this.#worker.terminate()
  }
}

/** Poll until `condition` holds; fails after 5 s with what was waited for. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 5000
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited in vain until ${what}`)
    await delay(1)
  }
}

/** Long enough for a thread that is free to run to have done so. */
export async function settle(): Promise<void> {
  await delay(30)
}
