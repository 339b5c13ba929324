import { parentPort, workerData } from 'node:worker_threads'
import { deleteEntries } from '../../../lib/dax/invalidate.js'
import { memoryFailure } from '../../../lib/dax/memory-failure.js'
import { repairBlocks } from '../../../lib/dax/poison-blocks.js'
import { drainUnfenced } from '../../../lib/dax/unfenced-writes.js'
import { writebackRange } from '../../../lib/dax/writeback.js'
import { attachSmall } from '../../support/small-kernel.js'
import { Sigbus } from '../../support/model-page-table.js'
import { type ActorData, Gate, type Job, SIGBUS } from './actor.js'

const data = workerData as ActorData
const kernel = attachSmall(data.handle)
const gate = new Int32Array(data.gate)

parentPort?.on('message', (job: Job) => {
  let isToPause = job.pauseAt !== undefined
  kernel.ports.onCall = (call) => {
    if (!isToPause || !call.startsWith(job.pauseAt ?? '')) return
    isToPause = false
    Atomics.store(gate, Gate.Paused, 1)
    Atomics.wait(gate, Gate.Go, 0)
  }
  const result = outcomeOf(job)
  Atomics.add(gate, Gate.Done, 1)
  parentPort?.postMessage(result)
})
parentPort?.postMessage(0)

function outcomeOf(job: Job): number {
  try {
    return perform(job)
  } catch (error) {
    if (error instanceof Sigbus) return SIGBUS
    throw error
  }
}

function perform(job: Job): number {
  switch (job.kind) {
    case 'load':
      return kernel.pageTable.load(kernel, job.vma, job.offset)
    case 'store':
      kernel.pageTable.store(kernel, job.vma, job.offset, job.byte)
      return job.byte
    case 'delete':
      return deleteEntries(kernel, job.inode, job.first, job.last)
    case 'sync':
      return writebackRange(kernel, job.inode, job.first, job.last)
    case 'truncate':
      kernel.locking.beginTruncate(kernel, job.inode, job.first, job.last)
      kernel.locking.endTruncate(kernel, job.inode)
      return 0
    case 'drain':
      return drainUnfenced(kernel, job.inode)
    case 'fail':
      return memoryFailure(kernel, job.pfn)
    case 'repair':
      return repairBlocks(kernel, job.inode, job.first, job.end)
    case 'stop':
      return 0
  }
}
