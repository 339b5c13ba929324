/**
 * A reader-writer semaphore in two shared words: i_rwsem of an inode, and the freeze of a mount.
 *
 *   word 0   state: n readers, or -1 for a writer. The wait word
 *   word 1   writers waiting: new readers stay out while it is not 0, so that many readers cannot starve a writer
 *   init     zero words are a free semaphore
 *
 * Not recursive. Outermost of all locks: a holder may sleep on anything, and may touch a user mapping, because no fault
 * is ever served under one.
 */
import { assert } from '../assert.js'
import type { SharedWords } from './shared-words.js'

export const enum RwSemaphoreWord {
  State = 0,
  Writers = 1,
  Size = 2,
}

const WRITER = -1

/** Context: may sleep; any thread. */
export function readLock(words: SharedWords, at: number): void {
  for (;;) {
    const state = words.load(at)
    const writers = words.load(at + RwSemaphoreWord.Writers)
    if (state >= 0 && writers === 0) {
      if (words.cas(at, state, state + 1) === state) return
    } else if (state < 0) {
      words.wait(at, state)
    } else {
      words.wait(at + RwSemaphoreWord.Writers, writers)
    }
  }
}

/** Context: never sleeps. */
export function readUnlock(words: SharedWords, at: number): void {
  const before = words.add(at, -1)
  assert(before > 0, 'readUnlock without a reader', { at, before })
  if (before === 1) words.notify(at)
}

/** Context: may sleep; any thread. */
export function writeLock(words: SharedWords, at: number): void {
  words.add(at + RwSemaphoreWord.Writers, 1)
  for (;;) {
    const state = words.cas(at, 0, WRITER)
    if (state === 0) break
    words.wait(at, state)
  }
  words.add(at + RwSemaphoreWord.Writers, -1)
  words.notify(at + RwSemaphoreWord.Writers)
}

/** Context: never sleeps. */
export function writeUnlock(words: SharedWords, at: number): void {
  const before = words.exchange(at, 0)
  assert(before === WRITER, 'writeUnlock without a writer', { at, before })
  words.notify(at)
}
