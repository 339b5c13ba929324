/** The process a kill test kills: mounts the pool, says so, and has its threads mutate the file until it dies. */
import { writeSync } from 'node:fs'
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'
import { attach, mount, type MountHandle, type Pmem } from '../../lib/index.js'
import { Journal } from './journal.js'
import { Mutator } from './mutator.js'

interface Task {
  readonly handle?: MountHandle
  readonly journal: string
  readonly seed: number
  readonly thread: number
  readonly threads: number
}

function mutate(pmem: Pmem, task: Task): void {
  new Mutator(pmem, new Journal(task.journal), task).run()
}

function startThreads(handle: MountHandle, task: Task): Promise<unknown> {
  const others = Array.from({ length: task.threads - 1 }, (_, i) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: { ...task, handle, thread: i + 1 } })
    return new Promise((resolve) => worker.once('message', resolve))
  })
  return Promise.all(others)
}

if (isMainThread) {
  const [pool = '', journal = '', seed = '0', threads = '1'] = process.argv.slice(2)
  const pmem = mount(pool)
  const task = { journal, seed: Number(seed), thread: 0, threads: Number(threads) }
  await startThreads(pmem.handle, task)
  writeSync(1, 'ready\n')
  mutate(pmem, task)
} else {
  const task = workerData as Required<Task>
  const pmem = attach(task.handle)
  parentPort?.postMessage('attached')
  mutate(pmem, task)
}
