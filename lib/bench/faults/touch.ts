/** The accesses of one thread: as touch and touchOwn of native/bench/c_handler.cc. */
import { Page } from '../../constants.js'
import type { DaxFile } from '../../index.js'
import { fold } from '../fold.js'
import type { FaultOp } from './faults.js'

const PAGE_WORDS = Page.Size / 4

/** Times in ms since the epoch of the machine. */
export interface TouchRun {
  readonly start: number
  readonly end: number
  readonly hash: number
}

export interface TouchTask {
  readonly op: FaultOp
  /** First page of this thread in the file, pages that are not measured, and those that are. */
  readonly first: number
  readonly warm: number
  readonly pages: number
}

export function isStore(op: FaultOp): boolean {
  return op === 'write' || op === 'mkwrite'
}

/** A mapping of the thread's own pages, such that each access of touchOwn is the fault that was asked for. */
export function mapOwn(file: DaxFile, { op, first, warm, pages }: TouchTask): Int32Array {
  const range = { offset: first * Page.Size, length: (warm + pages) * Page.Size }
  if (op === 'minor') {
    // Into the cache through a mapping that goes again: its page table goes with it.
    const filler = file.mmap(range)
    load(new Int32Array(filler.buffer), 0, warm + pages)
    filler.unmap()
  }
  const words = new Int32Array(file.mmap(range).buffer)
  if (op === 'mkwrite') load(words, 0, warm + pages)
  return words
}

/** Pages [from, end) of the mapping. Return: folded over the first word of each page, when they are loaded. */
export function touch(words: Int32Array, { op, first }: TouchTask, from: number, end: number): number {
  if (!isStore(op)) return load(words, from, end)
  for (let page = from; page < end; page++) words[page * PAGE_WORDS] = first + page + 1
  return 0
}

/** The measured pages, under the clock. */
export function touchMeasured(words: Int32Array, task: TouchTask): TouchRun {
  const { op, warm, pages } = task
  const start = performance.timeOrigin + performance.now()
  const loaded = touch(words, task, warm, warm + pages)
  const end = performance.timeOrigin + performance.now()
  return { start, end, hash: isStore(op) ? load(words, warm, warm + pages) : loaded }
}

function load(words: Int32Array, from: number, end: number): number {
  let hash = 0
  for (let page = from; page < end; page++) hash = fold(hash, words[page * PAGE_WORDS] as number)
  return hash >>> 0
}
