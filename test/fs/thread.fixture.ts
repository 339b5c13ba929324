/** A user thread of a mount, told what to do by workerData. See threads.test.ts. */
import { parentPort, workerData } from 'node:worker_threads'
import { type MountHandle, attach } from '../../lib/index.js'
import { Prng } from '../../lib/prng.js'
import { outcomeOf } from './report.js'

const PAGE = 4096
/** Of the file of threads.test.ts. */
const PAGES = 32

export interface ThreadTask {
  readonly kind: 'shadow' | 'count' | 'read-on' | 'fill' | 'throw' | 'exit' | 'stay' | 'store-on'
  readonly handle: MountHandle
  readonly thread: number
  readonly threads: number
  readonly seed: number
  readonly rounds: number
  /** Shared words: [0] stop. */
  readonly control: SharedArrayBuffer
}

const task = workerData as ThreadTask
const pmem = attach(task.handle)
const control = new Int32Array(task.control)
const file = pmem.open('shared.pm')

/** Every byte whose number is `thread` modulo `threads` is ours alone; a shadow of them is compared after each step. */
function shadowed(): { wrong: number; stored: number } {
  const prng = new Prng(task.seed * 64 + task.thread)
  const map = file.mmap()
  const other = file.mmap({ offset: 0, length: file.size })
  const [bytes, twin] = [new Uint8Array(map.buffer), new Uint8Array(other.buffer)]
  const shadow = new Uint8Array(bytes.length)
  const pages = bytes.length / PAGE
  let wrong = 0
  let stored = 0
  for (let round = 0; round < task.rounds; round++) {
    const page = prng.below(pages)
    for (let i = 0; i < 64; i++) {
      const draw = page * PAGE + prng.below(PAGE - task.threads)
      const at = draw - (draw % task.threads) + task.thread
      const value = prng.below(255) + 1
      ;(prng.chance(0.5) ? bytes : twin)[at] = value
      shadow[at] = value
      stored++
    }
    if (prng.chance(0.2)) map.msync(page * PAGE, PAGE)
    if (prng.chance(0.1)) file.sync()
    if (prng.chance(0.1)) map.persist(page * PAGE, PAGE)
    const from = page * PAGE
    for (let at = from - (from % task.threads) + task.thread; at < from + PAGE; at += task.threads) {
      if (at >= from && (bytes[at] !== shadow[at] || twin[at] !== shadow[at])) wrong++
    }
  }
  for (let at = task.thread; at < bytes.length; at += task.threads) if (bytes[at] !== shadow[at]) wrong++
  return { wrong, stored }
}

/** Atomic additions through mappings: none may be lost to a fault, a writeback or a second mapping. */
function counted(): { added: number } {
  const words = new Int32Array(file.mmap().buffer)
  for (let i = 0; i < task.rounds; i++) {
    Atomics.add(words, (i % 16) * (PAGE / 4), 1)
    if (i % 64 === task.thread) file.sync()
  }
  return { added: task.rounds }
}

/** Loads that may meet EOF until told to stop: each is the byte, zero, or EIO. */
function readOn(): { odd: number; failed: number; read: number } {
  // By length: the file may be empty just now.
  const map = file.mmap({ length: PAGES * PAGE })
  const counts = { odd: 0, failed: 0, read: 0 }
  const prng = new Prng(task.seed)
  while (Atomics.load(control, 0) === 0) {
    const at = prng.below(map.byteLength)
    const byte = new Uint8Array(1)
    const { code } = outcomeOf(() => map.tryRead(at, byte))
    if (code === 'EIO') counts.failed++
    else if (code !== 'ok' || (byte[0] !== 0 && byte[0] !== 7)) counts.odd++
    else counts.read++
  }
  return counts
}

function storeOn(): { stored: number } {
  const words = new Uint32Array(file.mmap().buffer)
  let stored = 0
  for (; Atomics.load(control, 0) === 0; stored++) words[(stored * 17) % words.length] = stored
  return { stored }
}

function post(result: unknown): void {
  parentPort?.postMessage(result)
}

switch (task.kind) {
  case 'shadow':
    post(shadowed())
    break
  case 'count':
    post(counted())
    break
  case 'read-on':
    post('running')
    post(readOn())
    break
  case 'store-on':
    post('running')
    post(storeOn())
    break
  case 'fill':
    new Uint8Array(file.mmap().buffer).fill(7)
    post('filled')
    break
  case 'throw':
    new Uint8Array(file.mmap().buffer)[0] = 7
    throw new Error('an error of the program')
  case 'exit':
    new Uint8Array(file.mmap().buffer)[0] = 7
    process.exit(3)
    break
  case 'stay':
    new Uint8Array(file.mmap().buffer)[0] = 7
    post('staying')
    Atomics.wait(control, 0, 0)
    break
}
if (task.kind !== 'fill') pmem.close()
