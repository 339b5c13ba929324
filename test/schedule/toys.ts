/**
 * Toys: programs of a few lines whose interleavings can be counted by hand, and programs with a planted bug that shows
 * after a known number of preemptions. They check the explorer; the words are scratch words of the machine.
 */
import { grabEntry, unlockEntry } from '../../lib/dax/grab-entry.js'
import { InodeWord } from '../../lib/mm/inode.js'
import { mutexLock, mutexUnlock } from '../../lib/sync/mutex.js'
import { readLock, readUnlock, writeLock, writeUnlock } from '../../lib/sync/rw-semaphore.js'
import type { SmallKernel } from '../support/small-kernel.js'
import { FILE, type Harness } from './harness.js'
import { requireInvariant } from './violation.js'

const X = 0
const Y = 1
const LOCK = 2
const OTHER_LOCK = 3

function toy(
  name: string,
  shows: string,
  threads: readonly ((kernel: SmallKernel) => number | undefined)[],
  check: (kernel: SmallKernel, results: readonly number[]) => void = () => undefined,
): Harness {
  return {
    name,
    shows,
    sizes: { pages: 4, treeNodes: 16, extents: 16, capacity: 8 },
    setup: () => undefined,
    threads: threads.map((run, i) => ({ name: `thread ${i}`, run: (kernel) => run(kernel) ?? 0 })),
    check,
    checksMachine: false,
  }
}

const addTo =
  (word: number, times: number) =>
  ({ words }: SmallKernel): undefined => {
    for (let i = 0; i < times; i++) words.add(word, 1)
  }

const increment = ({ words }: SmallKernel): undefined => {
  words.store(X, words.load(X) + 1)
}

/** Correct. */
export const COUNTER_OF_TWO: Harness = toy('toy-counter-2', 'two threads add three times', [addTo(X, 3), addTo(X, 3)])
export const COUNTER_OF_THREE: Harness = toy('toy-counter-3', 'three threads add twice', [
  addTo(X, 2),
  addTo(X, 2),
  addTo(X, 2),
])
export const OWN_WORDS: Harness = toy('toy-own-words', 'nothing is shared', [addTo(X, 5), addTo(Y, 5)])

const countUnderLock = ({ words }: SmallKernel): undefined => {
  for (let i = 0; i < 2; i++) {
    mutexLock(words, LOCK)
    words.set(X, words.get(X) + 1)
    mutexUnlock(words, LOCK)
  }
}
export const MUTEX: Harness = toy(
  'toy-mutex',
  'three threads count under a mutex',
  [countUnderLock, countUnderLock, countUnderLock],
  ({ words }) => requireInvariant(words.get(X) === 6, `counted ${words.get(X)} of 6`),
)

/** With a planted bug each. */
const sleepUntilSet = ({ words }: SmallKernel): undefined => {
  while (words.load(X) === 0) words.wait(X, 0)
}
export const MISSING_WAKE: Harness = toy('toy-missing-wake', 'a store without a notify', [
  ({ words }) => {
    words.store(X, 1)
  },
  sleepUntilSet,
])
export const EARLY_WAKE: Harness = toy('toy-early-wake', 'the notify comes before the store', [
  ({ words }) => {
    words.notify(X)
    words.store(X, 1)
  },
  sleepUntilSet,
])

const lockBoth =
  (first: number, second: number) =>
  ({ words }: SmallKernel): undefined => {
    mutexLock(words, first)
    mutexLock(words, second)
    mutexUnlock(words, second)
    mutexUnlock(words, first)
  }
export const LOCK_ORDER: Harness = toy('toy-lock-order', 'two locks, taken in two orders', [
  lockBoth(LOCK, OTHER_LOCK),
  lockBoth(OTHER_LOCK, LOCK),
])

export const TORN_UPDATE: Harness = toy(
  'toy-torn-update',
  'a load and a store that should be one add',
  [increment, increment],
  ({ words }) => requireInvariant(words.get(X) === 2, `${words.get(X)} after two increments`),
)

/** Two loads see a word before and after the first of two stores. */
export const TWO_PREEMPTIONS: Harness = toy(
  'toy-two-preemptions',
  'seen only when both threads are stopped once',
  [
    ({ words }) => words.load(X) * 10 + words.load(X),
    ({ words }) => {
      words.store(X, 1)
      words.store(X, 2)
    },
  ],
  (_, [seen]) => requireInvariant(seen !== 1, 'saw 0, then 1'),
)

export const PLAIN_RACE: Harness = toy('toy-race', 'a plain word without its lock', [
  countUnderLock,
  ({ words }) => {
    words.set(X, 7)
  },
])

export const STRANGER: Harness = toy('toy-stranger', 'a mutex unlocked by who does not hold it', [
  ({ words }) => {
    mutexLock(words, LOCK)
    words.add(X, 1)
    mutexUnlock(words, LOCK)
  },
  ({ words }) => {
    if (words.load(LOCK) !== 0) mutexUnlock(words, LOCK)
  },
])

export const ENTRY_STRANGER: Harness = toy('toy-entry-stranger', 'an entry unlocked by who holds another one', [
  (kernel) => {
    const entry = grabEntry(kernel, FILE, 1, true)
    kernel.words.add(X, 1)
    kernel.words.add(Y, 1)
    unlockEntry(kernel, FILE, 1, entry)
  },
  (kernel) => {
    const mine = grabEntry(kernel, FILE, 2, true)
    // The same word: an empty entry. It takes page 1 for its own when that is locked.
    const page = kernel.words.load(X) === 1 && kernel.words.load(Y) === 0 ? 1 : 2
    unlockEntry(kernel, FILE, page, mine)
  },
])

export const SLEEP_WITH_ENTRY: Harness = toy('toy-sleep-with-entry', 'a semaphore is waited for with an entry locked', [
  (kernel) => {
    const entry = grabEntry(kernel, FILE, 1, true)
    const rwsem = kernel.inodes.at(FILE) + InodeWord.Rwsem
    readLock(kernel.words, rwsem)
    readUnlock(kernel.words, rwsem)
    unlockEntry(kernel, FILE, 1, entry)
  },
  (kernel) => {
    const rwsem = kernel.inodes.at(FILE) + InodeWord.Rwsem
    writeLock(kernel.words, rwsem)
    writeUnlock(kernel.words, rwsem)
  },
])

const spinOn =
  (word: number) =>
  ({ words }: SmallKernel): undefined => {
    while (words.load(word) === 0);
    words.store(1 - word, 1)
  }
export const LIVELOCK: Harness = toy('toy-livelock', 'two threads spin, each for the other', [spinOn(X), spinOn(Y)])

/** Three sleepers, and a notify of one: whom it wakes is a choice. Only the oldest would be right here. */
const queueUp =
  (order: number) =>
  ({ words }: SmallKernel): number => {
    const place = words.add(Y, 1)
    words.wait(X, 0)
    return place * 10 + order
  }
export const ANY_SLEEPER: Harness = toy('toy-any-sleeper', 'a notify of one may wake any sleeper', [
  queueUp(1),
  queueUp(2),
  ({ words }) => {
    const asleep = words.load(Y)
    if (asleep === 2 && words.notify(X, 1) === 1) words.store(LOCK, 1)
    words.store(X, 1)
    words.notify(X)
    return asleep
  },
])

export const TOYS: readonly Harness[] = [
  COUNTER_OF_TWO,
  COUNTER_OF_THREE,
  OWN_WORDS,
  MUTEX,
  MISSING_WAKE,
  EARLY_WAKE,
  LOCK_ORDER,
  TORN_UPDATE,
  TWO_PREEMPTIONS,
  PLAIN_RACE,
  STRANGER,
  ENTRY_STRANGER,
  SLEEP_WITH_ENTRY,
  LIVELOCK,
  ANY_SLEEPER,
]
