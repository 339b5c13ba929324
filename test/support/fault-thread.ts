/**
 * A thread that takes page faults, for tests: main sends it an access, resolves the fault, and awaits the outcome.
 * Main may block in readFaults meanwhile; the worker needs nothing from main's event loop to reach the memory.
 */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'

export type Access =
  | { readonly kind: 'touch'; readonly address: number; readonly length: number; readonly write: boolean }
  | { readonly kind: 'peek'; readonly address: number }
  | { readonly kind: 'poke'; readonly address: number; readonly byte: number }
  | { readonly kind: 'thread-id' }

export class FaultThread {
  readonly #worker: Worker

  private constructor(
    worker: Worker,
    readonly threadId: number,
  ) {
    this.#worker = worker
  }

  static async start(): Promise<FaultThread> {
    const worker = new Worker(new URL('./fault-thread-worker.js', import.meta.url))
    worker.postMessage({ kind: 'thread-id' } satisfies Access)
    const [threadId] = (await once(worker, 'message')) as [number]
    return new FaultThread(worker, threadId)
  }

  /** Sent at once. Resolves with what the access gave: a byte, or touchPages' result. One at a time. */
  async send(access: Access): Promise<number> {
    this.#worker.postMessage(access)
    const [result] = (await once(this.#worker, 'message')) as [number]
    return result
  }

  async stop(): Promise<void> {
    await this.#worker.terminate()
  }
}
