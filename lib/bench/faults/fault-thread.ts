/** A user thread of `faultline bench faults` beside the first, which is the main thread. */
import { parentPort, workerData } from 'node:worker_threads'
import type { MountHandle } from '../../fs/pmem.js'
import { attach } from '../../index.js'
import { AtomicWords } from '../../sync/shared-words.js'
import { type TouchRun, type TouchTask, awaitAll, mapOwn, touch, touchMeasured, touchTimed } from './touch.js'

export interface FaultThreadTask extends TouchTask {
  readonly handle: MountHandle
  readonly file: string
  readonly threads: number
  /** Three words: threads that are warm; 1 when the clock runs; threads that were measured. */
  readonly control: SharedArrayBuffer
}

const task = workerData as FaultThreadTask
const control = new AtomicWords(task.control)
const pmem = attach(task.handle)
const words = mapOwn(pmem.open(task.file), task)
touch(words, task, 0, task.warm)
control.add(0, 1)
while (control.load(1) === 0) control.wait(1, 0)
const measured = touchMeasured(words, task)
awaitAll(control, task.threads)
const run: TouchRun = { ...measured, latencies: touchTimed(words, task) }
parentPort?.postMessage(run)
pmem.close()
