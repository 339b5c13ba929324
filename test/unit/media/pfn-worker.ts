/**
 * One thread of the allocator's thread test: allocates, owns, gives back, and reports how many pages it kept.
 * A page handed out twice is found by `associate`, which throws on a page with an owner.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { PfnAllocator } from '../../../lib/media/pfn-allocator.js'
import { Prng } from '../../../lib/prng.js'
import { AtomicWords } from '../../../lib/sync/shared-words.js'

interface Job {
  buffer: SharedArrayBuffer
  base: number
  capacity: number
  seed: number
  id: number
}

const STEPS = 4000
const job = workerData as Job
const pfns = new PfnAllocator(new AtomicWords(job.buffer), job.base, job.capacity)
const prng = new Prng(job.seed)
const held: number[] = []

for (let step = 0; step < STEPS; step++) {
  if (prng.chance(0.6)) {
    const pfn = pfns.allocate(prng.below(2 * 512))
    if (pfn === 0) continue
    pfns.associate(pfn, job.id, step)
    held.push(pfn)
  } else {
    const pfn = held.splice(prng.below(held.length + 1), 1)[0]
    if (pfn === undefined) continue
    pfns.disassociate(pfn)
    pfns.free(pfn, 1)
  }
}
parentPort?.postMessage(held.length)
