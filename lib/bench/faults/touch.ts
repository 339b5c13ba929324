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
  /** Pages that one fault maps: 1, those of faultAround, 512. All numbers of pages below are multiples of it. */
  readonly unit: number
  /** Faults are taken in order, or scattered; the pages of one always in order. */
  readonly isRandom: boolean
  /** First page of this thread in the file, pages that are not measured, those that are, those timed. */
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

/** A prime above all numbers of faults: its multiples visit each once. As kScatter of native/bench/c_handler.cc. */
const SCATTER = 1_000_003

/** First page of the i-th fault of those in [from, end). */
function pageOf({ unit, isRandom }: TouchTask, i: number, from: number, end: number): number {
  return from + (isRandom ? (i * SCATTER) % ((end - from) / unit) : i) * unit
}

/** Pages [from, end) of the mapping. Return: folded over the first word of each page, when they are loaded. */
export function touch(words: Int32Array, task: TouchTask, from: number, end: number): number {
  const stores = isStore(task.op)
  let hash = 0
  for (let i = 0; i < (end - from) / task.unit; i++) {
    const page = pageOf(task, i, from, end)
    if (stores) store(words, task, page, page + task.unit)
    else hash = load(words, page, page + task.unit, hash)
  }
  return hash >>> 0
}

/** The measured pages, under the clock. Return: without latencies. */
export function touchMeasured(words: Int32Array, task: TouchTask): Omit<TouchRun, 'latencies'> {
  const { op, warm, pages } = task
  const start = performance.timeOrigin + performance.now()
  const loaded = touch(words, task, warm, warm + pages)
  const end = performance.timeOrigin + performance.now()
  return { start, end, hash: isStore(op) ? load(words, warm, warm + pages) >>> 0 : loaded }
}

/** Faults timed one by one: the clock costs, so they come after those that are measured. Return: ns. */
export function touchTimed(words: Int32Array, task: TouchTask): Float64Array {
  const first = task.warm + task.pages
  const end = first + task.timed
  const latencies = new Float64Array(task.timed / task.unit)
  for (let i = 0; i < latencies.length; i++) {
    const page = pageOf(task, i, first, end)
    const before = performance.now()
    if (isStore(task.op)) store(words, task, page, page + 1)
    else load(words, page, page + 1)
    latencies[i] = (performance.now() - before) * 1e6
  }
  return latencies
}

function store(words: Int32Array, { first }: TouchTask, from: number, end: number): void {
  for (let page = from; page < end; page++) words[page * PAGE_WORDS] = first + page + 1
}

function load(words: Int32Array, from: number, end: number, before = 0): number {
  let hash = before
  for (let page = from; page < end; page++) hash = fold(hash, words[page * PAGE_WORDS] as number)
  return hash
}

/** Wait until all threads were measured. control: word 2 counts them. */
export function awaitAll(control: AtomicWords, threads: number): void {
  control.add(2, 1)
  control.notify(2)
  for (let now = control.load(2); now < threads; now = control.load(2)) control.wait(2, now)
}
