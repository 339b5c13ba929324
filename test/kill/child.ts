/**
 * The process a kill test kills: mounts its pools, says so, and has its threads mutate a file of each until it dies.
 * The main thread is the first thread of the first pool; a traced pool is recorded, and what was recorded is told now
 * and then.
 */
import { writeSync } from 'node:fs'
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'
import { attach, mount, type MountHandle, type Pmem } from '../../lib/index.js'
import { Journal } from './journal.js'
import { Mutator } from './mutator.js'

/** One pool of a round. */
export interface PoolTask {
  readonly pool: string
  readonly journal: string
  readonly seed: number
  readonly threads: number
  readonly traced: boolean
}

interface ThreadTask extends PoolTask {
  readonly handle: MountHandle
  readonly thread: number
}

const STEPS_A_DRAIN = 64

function mutate(pmem: Pmem, task: PoolTask, thread: number, drain: () => void): never {
  const mutator = new Mutator(pmem, new Journal(task.journal), { ...task, thread })
  for (;;) {
    mutator.run(STEPS_A_DRAIN)
    drain()
  }
}

function start(task: ThreadTask): Promise<unknown> {
  const worker = new Worker(new URL(import.meta.url), { workerData: task })
  return new Promise((resolve) => worker.once('message', resolve))
}

/** Return: what tells the recording of a traced mount. */
function record(pmem: Pmem, { traced }: PoolTask): () => void {
  if (!traced) return () => undefined
  const ignore = (): void => undefined
  const sink = { store: ignore, flush: ignore, fence: ignore, mark: ignore, acknowledged: ignore }
  const recorder = pmem.recordStores(sink)
  return () => {
    recorder.drain()
  }
}

if (isMainThread) {
  const tasks = JSON.parse(process.argv[2] ?? '[]') as PoolTask[]
  const mounts = tasks.map((task) => {
    const pmem = mount(task.pool, task.traced ? { stores: 'traced', storeLogSize: '64MiB' } : {})
    return { task, pmem, drain: record(pmem, task) }
  })
  const others = mounts.flatMap(({ task, pmem }, number) =>
    Array.from({ length: task.threads }, (_, thread) => ({ ...task, thread, handle: pmem.handle })).slice(
      number === 0 ? 1 : 0,
    ),
  )
  await Promise.all(others.map(start))
  writeSync(1, 'ready\n')
  const [first] = mounts
  if (first !== undefined) {
    mutate(first.pmem, first.task, 0, () => {
      for (const { drain } of mounts) drain()
    })
  }
} else {
  const task = workerData as ThreadTask
  const pmem = attach(task.handle)
  parentPort?.postMessage('attached')
  mutate(pmem, task, task.thread, () => undefined)
}
