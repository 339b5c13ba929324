/** Words for tests of locks, and threads that take them. */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { AtomicWords } from '../../../lib/sync/shared-words.js'
import { Threads } from '../../../lib/sync/threads.js'

export const enum Area {
  Lock = 0,
  Counter = 8,
  /** Threads that hold what they wanted; they give it back when Release is not 0. */
  Held = 9,
  Release = 10,
  /** Threads that are in a wait queue. */
  Queued = 11,
  /** Plain counters, one a page, that who holds the page exclusively adds to. */
  Counters = 20,
  Waits = 16,
  Threads = 32,
  ThreadCount = 8,
  Words = 2048,
}

export const INODE = 5
export const MAPPING = 7

export type LockJob =
  | { readonly kind: 'count'; readonly rounds: number }
  | { readonly kind: 'read' | 'write' }
  | { readonly kind: 'ranges'; readonly rounds: number; readonly first: number; readonly last: number }
  | { readonly kind: 'wait'; readonly index: number; readonly exclusive: boolean }
  | { readonly kind: 'shared' | 'exclusive'; readonly first: number; readonly last: number }

export class LockBench {
  readonly buffer = new SharedArrayBuffer(Area.Words * 4)
  readonly words = new AtomicWords(this.buffer)
  readonly threads = new Threads(this.words, Area.Threads, Area.ThreadCount)
  readonly #workers: Worker[] = []

  /** Return: a promise of the thread's end. */
  async start(job: LockJob): Promise<{ readonly ended: Promise<unknown> }> {
    const worker = new Worker(new URL('./lock-thread.js', import.meta.url), {
      workerData: { buffer: this.buffer, job },
    })
    this.#workers.push(worker)
    await once(worker, 'message')
    const ended = once(worker, 'exit')
    worker.postMessage('go')
    return { ended }
  }

  get held(): number {
    return this.words.load(Area.Held)
  }

  release(): void {
    this.words.store(Area.Release, 1)
    this.words.notify(Area.Release)
  }

  async stop(): Promise<void> {
    for (const worker of this.#workers) await worker.terminate()
  }
}
