/**
 * The range lock (D7, K5, S0.9, S3.5): overlapping ranges exclude each other when one is exclusive, disjoint ones never
 * wait.
 *
 * What is inside the range is a plain word: two threads inside at once, one of them exclusively, are a data race.
 * Shared holders only read it.
 */
import type { SmallKernel } from '../../support/small-kernel.js'
import { FILE, type Harness, type HarnessThread } from '../harness.js'
import { requireInvariant } from '../violation.js'

const GUARDED = 0
const OTHER = 1
/** Threads that are inside now: an atomic word, so that disjoint holders may meet there. */
const INSIDE = 2

function shared(first: number, last: number, word: number): HarnessThread {
  return {
    name: `shared ${first}..${last}`,
    run: (kernel) => {
      kernel.locking.beginFault(kernel, FILE, first, last, true)
      const seen = kernel.words.get(word)
      kernel.locking.endFault(kernel, FILE)
      return seen
    },
  }
}

function exclusive(first: number, last: number, word: number): HarnessThread {
  return {
    name: `exclusive ${first}..${last}`,
    run: (kernel) => {
      kernel.locking.beginTruncate(kernel, FILE, first, last)
      kernel.words.set(word, kernel.words.get(word) + 1)
      kernel.locking.endTruncate(kernel, FILE)
      return 0
    },
  }
}

export const RANGE_OVERLAP: Harness = {
  name: 'range-overlap',
  shows: 'K5, S0.9: overlapping ranges exclude each other, and whoever waits is woken',
  sizes: { pages: 4 },
  setup: () => undefined,
  threads: [shared(0, 2, GUARDED), exclusive(2, 3, GUARDED), exclusive(1, 2, GUARDED)],
  check: ({ words }, [seen]) => {
    requireInvariant(words.get(GUARDED) === 2, `${words.get(GUARDED)} of 2 exclusive sections`)
    requireInvariant(seen === 0 || seen === 1 || seen === 2, `the shared one saw ${seen}`)
  },
}

/** Each stays inside until the other is there too: would one wait for the other, neither would get on. */
function meet(lock: (kernel: SmallKernel) => void, unlock: (kernel: SmallKernel) => void): HarnessThread['run'] {
  return (kernel) => {
    const { words } = kernel
    lock(kernel)
    if (words.add(INSIDE, 1) === 1) words.notify(INSIDE)
    while (words.load(INSIDE) !== 2) words.wait(INSIDE, 1)
    unlock(kernel)
    return 0
  }
}

export const RANGE_DISJOINT: Harness = {
  name: 'range-disjoint',
  shows: 'S3.5, K5: a fault beside a range that is held exclusively does not wait for it',
  sizes: { pages: 4 },
  setup: () => undefined,
  threads: [
    {
      name: 'exclusive 0..1',
      run: meet(
        (kernel) => kernel.locking.beginTruncate(kernel, FILE, 0, 1),
        (kernel) => kernel.locking.endTruncate(kernel, FILE),
      ),
    },
    {
      name: 'shared 2..3',
      run: meet(
        (kernel) => void kernel.locking.beginFault(kernel, FILE, 2, 3, true),
        (kernel) => kernel.locking.endFault(kernel, FILE),
      ),
    },
    shared(0, 0, OTHER),
  ],
  check: ({ words }) => requireInvariant(words.get(INSIDE) === 2, 'they did not meet'),
}
