/**
 * A mutex in one shared word, for short critical sections that never wait for anything else.
 *
 *   word   0 free · 1 held · 2 held, and someone may be asleep on the word
 *   size   1 word, zero-initialised; the word is also the wait word
 *   order  a leaf lock: the holder may not take an entry lock, a range lock or touch a user mapping
 *
 * Not recursive. A thread spins a little before it sleeps, because sections are tens of nanoseconds long and the
 * holder is usually running on the other CPU; it sleeps because on a busy machine the holder may have been preempted.
 */
import { assert } from '../assert.js'
import type { SharedWords } from './shared-words.js'

const enum MutexState {
  Free = 0,
  Held = 1,
  Contended = 2,
}

const SPINS = 64

/**
 * Context: may sleep until the holder leaves its section; any thread.
 * Return: with the lock held.
 */
export function mutexLock(words: SharedWords, at: number): void {
  if (words.cas(at, MutexState.Free, MutexState.Held) === MutexState.Free) return
  mutexLockSlow(words, at)
}

function mutexLockSlow(words: SharedWords, at: number): void {
  for (let spin = 0; spin < SPINS; spin++) {
    if (words.load(at) === MutexState.Free && words.cas(at, MutexState.Free, MutexState.Held) === MutexState.Free)
      return
  }
  // From here on the word is set to Contended, even by the thread that gets the lock: it cannot know whether others
  // sleep, and a needless notify is cheaper than a lost one.
  while (words.exchange(at, MutexState.Contended) !== MutexState.Free) words.wait(at, MutexState.Contended)
}

/**
 * Context: never sleeps.
 * Return: true with the lock held, false when someone else holds it.
 */
export function mutexTryLock(words: SharedWords, at: number): boolean {
  return words.cas(at, MutexState.Free, MutexState.Held) === MutexState.Free
}

/** Context: caller holds the lock; never sleeps. */
export function mutexUnlock(words: SharedWords, at: number): void {
  const before = words.exchange(at, MutexState.Free)
  assert(before !== MutexState.Free, 'mutexUnlock of a free mutex', { at })
  if (before === MutexState.Contended) words.notify(at, 1)
}
