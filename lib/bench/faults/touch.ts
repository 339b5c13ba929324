/** The accesses of one thread: as touch and touchOwn of native/bench/c_handler.cc. */
import { Page } from '../../constants.js'
import type { DaxFile } from '../../index.js'
import type { AtomicWords } from '../../sync/shared-words.js'
import { fold } from '../fold.js'
import type { FaultOp } from './ops.js'

const PAGE_WORDS = Page.Size / 4

/** Times in ms since the epoch of the machine. */
export interface TouchRun {
  readonly start: number
  readonly end: number
  readonly hash: number
  /** Of the faults that are timed one by one, ns. */
  readonly latencies: Float64Array
}

export interface TouchTask {
  readonly op: FaultOp
  /** First page of this thread in the file, pages that are not measured, those that are, those timed one by one. */
  readonly first: number
  readonly warm: number
  readonly pages: number
  readonly timed: number
}

export function pagesOf({ warm, pages, timed }: Pick<TouchTask, 'warm' | 'pages' | 'timed'>): number {
  return warm + pages + timed
}

export function isStore(op: FaultOp): boolean {
  return op === 'write' || op === 'mkwrite'
}

/** A mapping of the thread's own pages, such that each access of touchOwn is the fault that was asked for. */
export function mapOwn(file: DaxFile, task: TouchTask): Int32Array {
  const { op, first } = task
  const pages = pagesOf(task)
  const range = { offset: first * Page.Size, length: pages * Page.Size }
  if (op === 'minor') {
    // Into the cache through a mapping that goes again: its page table goes with it.
    const filler = file.mmap(range)
    load(new Int32Array(filler.buffer), 0, pages)
    filler.unmap()
  }
  const words = new Int32Array(file.mmap(range).buffer)
  if (op === 'mkwrite') load(words, 0, pages)
  return words
}

/** Pages [from, end) of the mapping. Return: folded over the first word of each page, when they are loaded. */
export function touch(words: Int32Array, { op, first }: TouchTask, from: number, end: number): number {
  if (!isStore(op)) return load(words, from, end)
  for (let page = from; page < end; page++) words[page * PAGE_WORDS] = first + page + 1
  return 0
}

/** The measured pages, under the clock. Return: without latencies. */
export function touchMeasured(words: Int32Array, task: TouchTask): Omit<TouchRun, 'latencies'> {
  const { op, warm, pages } = task
  const start = performance.timeOrigin + performance.now()
  const loaded = touch(words, task, warm, warm + pages)
  const end = performance.timeOrigin + performance.now()
  return { start, end, hash: isStore(op) ? load(words, warm, warm + pages) : loaded }
}

/** Faults timed one by one: the clock costs, so they come after those that are measured. Return: ns. */
export function touchTimed(words: Int32Array, task: TouchTask): Float64Array {
  const first = task.warm + task.pages
  const latencies = new Float64Array(task.timed)
  for (let i = 0; i < task.timed; i++) {
    const before = performance.now()
    touch(words, task, first + i, first + i + 1)
    latencies[i] = (performance.now() - before) * 1e6
  }
  return latencies
}

function load(words: Int32Array, from: number, end: number): number {
  let hash = 0
  for (let page = from; page < end; page++) hash = fold(hash, words[page * PAGE_WORDS] as number)
  return hash >>> 0
}

/** Wait until all threads were measured. control: word 2 counts them. */
export function awaitAll(control: AtomicWords, threads: number): void {
  control.add(2, 1)
  control.notify(2)
  for (let now = control.load(2); now < threads; now = control.load(2)) control.wait(2, now)
}
