/** A thread of the traced program in a Worker. */
import { workerData } from 'node:worker_threads'
import { type MountHandle, attach } from '../../lib/index.js'
import { runTracedThread } from './traced-thread.js'

export interface TracedTask {
  readonly handle: MountHandle
  readonly seed: number
  readonly thread: number
  readonly operations: number
}

const { handle, seed, thread, operations } = workerData as TracedTask
const pmem = attach(handle)
runTracedThread(pmem, seed, thread, operations)
pmem.close()
