/** Workers for executions. Starting one costs a hundred milliseconds, so those that are done are kept for the next. */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Answer, ExecutionData } from './execution-thread.js'

const idle: Worker[] = []

/** Return: a Worker that waits at its gate. */
export async function startThread(data: ExecutionData): Promise<Worker> {
  const worker = idle.pop() ?? new Worker(new URL('./execution-thread.js', import.meta.url))
  worker.postMessage(data)
  await answer(worker, 'ready')
  return worker
}

/** Context: the Worker has left its gate for good, or is about to. */
export async function releaseThread(worker: Worker): Promise<void> {
  await answer(worker, 'idle')
  // A process that is done does not wait for it.
  worker.unref()
  idle.push(worker)
}

async function answer(worker: Worker, expected: Answer): Promise<void> {
  worker.ref()
  const [text] = (await once(worker, 'message')) as [Answer]
  if (text !== expected) throw new Error(`a thread answered '${text}' in place of '${expected}'`)
}
