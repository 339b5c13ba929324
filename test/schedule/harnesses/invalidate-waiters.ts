/**
 * Three threads wait to remove an entry, and a fourth removes it first (K15, K16, T12, S0.5, B13, B24: woken one by
 * one, those who find the entry gone pass nothing on).
 *
 * The entry is locked from the start, by the thread that unlocks it and then removes it itself. Its unlock wakes one
 * sleeper, who may find nothing; whoever removes the entry must wake all that are left.
 */
import { grabEntry, unlockEntry } from '../../../lib/dax/grab-entry.js'
import { deleteEntries } from '../../../lib/dax/invalidate.js'
import { emptyEntry } from '../../../lib/tree/entry.js'
import { FILE, type Harness, type HarnessThread } from '../harness.js'
import { requireInvariant } from '../violation.js'
import { countEntryLocks } from './bodies.js'

const INDEX = 3

const remove: HarnessThread = { name: 'delete', run: (kernel) => deleteEntries(kernel, FILE, INDEX, INDEX) }

export const INVALIDATE_WAITERS: Harness = {
  name: 'invalidate-waiters',
  shows: 'K15, K16, T12, S0.5, B24: who removes an entry wakes all three that wait for it',
  sizes: { pages: 4 },
  setup: (kernel) => {
    grabEntry(kernel, FILE, INDEX, true)
    countEntryLocks(kernel, 0)
  },
  threads: [
    {
      name: 'unlock, delete',
      run: (kernel) => {
        countEntryLocks(kernel, 1)
        unlockEntry(kernel, FILE, INDEX, emptyEntry(false))
        return deleteEntries(kernel, FILE, INDEX, INDEX)
      },
    },
    remove,
    remove,
    remove,
  ],
  check: (_, results) => {
    const removed = results.reduce((sum, each) => sum + each, 0)
    requireInvariant(removed === 1, `one entry, and ${removed} removed`)
  },
}
