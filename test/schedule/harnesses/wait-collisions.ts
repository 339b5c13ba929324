/**
 * One wait bucket for all entries (K10, K16, K17, T10): a wake passes over sleepers of other keys, and counts none of
 * them.
 *
 * Entries 1 and 2 are locked from the start, by the thread that unlocks one after the other; the other threads want one
 * each. Whoever sleeps is woken by the unlock of its own entry, in whatever order they queued.
 */
import { grabEntry, unlockEntry } from '../../../lib/dax/grab-entry.js'
import { emptyEntry } from '../../../lib/tree/entry.js'
import { visitEntry } from '../../support/small-kernel.js'
import { FILE, type Harness, type HarnessThread } from '../harness.js'
import { requireInvariant } from '../violation.js'
import { countEntryLocks } from './bodies.js'

const COUNT = 0
const PAGES = [1, 2] as const

function visit(page: number): HarnessThread {
  return {
    name: `entry ${page}`,
    run: (kernel) => {
      visitEntry(kernel, FILE, page, () => {
        kernel.words.set(COUNT + page, kernel.words.get(COUNT + page) + 1)
      })
      return 0
    },
  }
}

export const WAIT_COLLISIONS: Harness = {
  name: 'wait-collisions',
  shows: 'K10, K16, K17, T10: sleepers of different entries in one bucket are each woken by their own',
  sizes: { pages: 4, waitBuckets: 1 },
  setup: (kernel) => {
    for (const page of PAGES) {
      grabEntry(kernel, FILE, page, true)
      countEntryLocks(kernel, 0)
    }
  },
  threads: [
    {
      name: 'holder of both',
      run: (kernel) => {
        for (const page of PAGES) {
          countEntryLocks(kernel, 1)
          unlockEntry(kernel, FILE, page, emptyEntry(false))
        }
        return 0
      },
    },
    visit(2),
    visit(1),
  ],
  check: ({ words }) => {
    const counts = PAGES.map((page) => words.get(COUNT + page)).join()
    requireInvariant(counts === '1,1', `entries were held ${counts} times`)
  },
}
