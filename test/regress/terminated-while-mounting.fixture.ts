/** A Worker is terminated inside mount(). argv: how far it has come, pool. Run with --expose-gc. */
import { once } from 'node:events'
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'
import { addon } from '../../lib/binding/load.js'
import { openPool } from '../../lib/fs/pool-directory.js'
import { mount } from '../../lib/index.js'
import { outcomeOf, report } from '../fs/report.js'

interface Job {
  readonly step: string
  readonly pool: string
}

const WORDS_BYTES = 64 << 20

/** The first steps of mount(); what it knew is garbage when it returns, as when it is terminated. */
function mountUntil({ step, pool }: Job): void {
  const { lock } = openPool(addon, pool)
  if (step === 'locked') return
  const words = new Int32Array(new SharedArrayBuffer(WORDS_BYTES))
  addon.serveFromHere(addon.openUserfaultfd().fd, lock, words, 0, 1, 1, 2, 3)
}

async function main(): Promise<void> {
  const [step = '', pool = ''] = process.argv.slice(2)
  const worker = new Worker(new URL(import.meta.url), { workerData: { step, pool } })
  await once(worker, 'message')
  await worker.terminate()
  report({
    mounted: outcomeOf(() => {
      mount(pool).close()
    }),
  })
}

function work(job: Job): void {
  mountUntil(job)
  // Buffers are swept beside the program: the second collection waits for the first one's sweep.
  setTimeout(() => {
    globalThis.gc?.()
    globalThis.gc?.()
    parentPort?.postMessage('next')
    setInterval(() => undefined, 1000)
  }, 10)
}

if (isMainThread) await main()
else work(workerData as Job)
