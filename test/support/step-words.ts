/**
 * Steps of the port doubles. A page-table entry, the bytes of a page, what the host has committed: each is shared state
 * that real hardware or the host changes at once, so each has a word of its own, and touching it is a step like any
 * other access of a shared word. Under a scheduler (test/schedule) a thread may be stopped before it.
 */
import type { SharedWords } from '../../lib/sync/shared-words.js'

export interface StepWords extends SharedWords {
  /** Run `act`, which reads and writes these words and the bytes they stand for, as one step. */
  together<Result>(reads: readonly number[], writes: readonly number[], act: () => Result): Result
}

function hasSteps(words: SharedWords): words is StepWords {
  return 'together' in words
}

/**
 * Several words in one step: what the machine does in one go, such as walking the page table and storing.
 * Without a scheduler it just runs `act`.
 */
export function asOneStep<Result>(
  words: SharedWords,
  reads: readonly number[],
  writes: readonly number[],
  act: () => Result,
): Result {
  return hasSteps(words) ? words.together(reads, writes, act) : act()
}

/** The bytes behind this word are about to be read. */
export function readStep(words: SharedWords, at: number): void {
  words.load(at)
}

/** The bytes behind this word are about to be written. The word counts how often they were. */
export function writeStep(words: SharedWords, at: number): void {
  words.add(at, 1)
}
