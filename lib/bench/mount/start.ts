/** From nothing to a mapped file and its first fault, or to as many bare Workers that run. */
import { once } from 'node:events'
import { closeSync, openSync, readSync, truncateSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { mount } from '../../index.js'
import type { Measurement } from '../bench.js'
import { writeDataFile } from '../faults/data-file.js'
import type { MountTask } from './measure.js'

/** Pages with data at the beginning of the file; the rest is a hole. */
const DATA_PAGES = 512
/** A Worker that does nothing and does not end. */
const BARE = 'setInterval(() => {}, 1e6)'

export async function measureStart(task: MountTask): Promise<Measurement> {
  writeDataFile(task.path, DATA_PAGES, task.seed)
  truncateSync(task.path, task.bytes)
  return task.isOurs ? startOurs(task) : startBare(task)
}

function startOurs({ directory, file, workers }: MountTask): Measurement {
  const start = performance.now()
  using pmem = mount(directory, { faultWorkers: workers })
  const words = new Int32Array(pmem.open(file).mmap().buffer)
  const mapped = performance.now()
  const word = words[0] as number
  const loaded = performance.now()
  return { figures: { taken: mapped - start, firstFault: loaded - mapped }, hash: word >>> 0 }
}

async function startBare({ path, workers }: MountTask): Promise<Measurement> {
  const start = performance.now()
  const bare = Array.from({ length: workers }, () => new Worker(BARE, { eval: true, execArgv: [] }))
  await Promise.all(bare.map((worker) => once(worker, 'online')))
  const taken = performance.now() - start
  await Promise.all(bare.map((worker) => worker.terminate()))
  return { figures: { taken }, hash: firstWord(path) }
}

function firstWord(path: string): number {
  const word = Buffer.alloc(4)
  const fd = openSync(path, 'r')
  readSync(fd, word)
  closeSync(fd)
  return word.readUInt32LE()
}
