/** Runs the traced program on a pool, in several threads, and checks every record of it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { mount } from '../../lib/index.js'
import { TracedChecker } from './traced-checker.js'
import { SOURCE_BYTES, bytesFor, sourceByte } from './traced-program.js'
import type { TracedTask } from './traced-thread.fixture.js'
import { FILE, SOURCE, runTracedThread } from './traced-thread.js'

export interface TracedRun {
  readonly pool: string
  readonly seed: number
  readonly threads: number
  /** Of each thread. */
  readonly operations: number
  readonly onProgress?: (checker: TracedChecker) => void
}

/** Errors: the first record that is wrong, or missing. */
export async function runTraced({ pool, seed, threads, operations, onProgress }: TracedRun): Promise<TracedChecker> {
  const pmem = mount(pool, { stores: 'traced' })
  try {
    const file = pmem.open(FILE, { create: true, size: bytesFor(threads) })
    pmem.open(SOURCE, { create: true }).write(
      Uint8Array.from({ length: SOURCE_BYTES }, (_, i) => sourceByte(i)),
      0,
    )
    const checker = new TracedChecker(seed, threads)
    const recorder = pmem.recordStores(checker)
    const drain = (): void => {
      recorder.drain()
      onProgress?.(checker)
    }
    let running = threads - 1
    let failure: Error | undefined
    for (let thread = 1; thread < threads; thread++) {
      const workerData: TracedTask = { handle: pmem.handle, seed, thread, operations }
      const worker = new Worker(new URL('./traced-thread.fixture.js', import.meta.url), { workerData })
      worker.on('error', (error: Error) => (failure ??= error))
      worker.on('exit', () => {
        running--
      })
    }
    runTracedThread(pmem, seed, 0, operations, drain)
    while (running > 0) {
      drain()
      await sleep(10)
    }
    recorder.stop()
    if (failure !== undefined) throw failure
    checker.finish(new Uint8Array(file.mmap().buffer))
    return checker
  } finally {
    pmem.close()
  }
}
