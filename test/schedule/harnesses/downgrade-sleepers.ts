/**
 * A huge zero entry makes way for 4 KiB stores (T5, K11, S2.4, S2.8: who sleeps on the key of the huge entry is
 * woken by nobody else).
 *
 * Threads: three stores to different pages of the 2 MiB. The first to come removes the huge entry; the others may be
 * asleep on it. At the end three entries, three bytes.
 */
import { grabHugeEntry, unlockEntry } from '../../../lib/dax/grab-entry.js'
import { insertHole } from '../../../lib/dax/insert-entry.js'
import { entryAt, mapFile } from '../../support/small-kernel.js'
import { FILE, type Harness, PAGE } from '../harness.js'
import { requireInvariant } from '../violation.js'
import { byteOf, store } from './bodies.js'

const PAGES = [1, 2, 3] as const

export const DOWNGRADE_SLEEPERS: Harness = {
  name: 'downgrade-sleepers',
  shows: 'T5, K11, S2.4, S2.8: a downgrade wakes everyone who sleeps on the key of the huge entry',
  sizes: { pages: 4 },
  setup: (kernel) => {
    mapFile(kernel, FILE)
    unlockEntry(kernel, FILE, 0, insertHole(kernel, FILE, 0, grabHugeEntry(kernel, FILE, 0, true)))
  },
  threads: PAGES.map((page) => store(1, page * PAGE, page)),
  check: (kernel) => {
    for (const page of PAGES) {
      requireInvariant(byteOf(kernel, page * PAGE) === page, `the store to page ${page} is gone`)
      const entry = entryAt(kernel, FILE, page)
      requireInvariant(/^D4 pfn \d+ dirty$/.test(entry), `page ${page} has ${entry}`)
    }
  },
}
