/** Waiting for the end of faults whose faulting thread has long gone on. */
import { VmaWord } from '../mm/vma.js'
import type { Machine } from './machine.js'

/** Nobody tells when the last fault on a mapping in service is done, so it is looked up this often. */
const PAUSE_MS = 0.2
/** Other threads may fault for ever. */
const LIMIT_MS = 1000

/**
 * Wait until no fault is being served, or a second has passed: who faulted goes on as soon as its page is there,
 * while the worker still has events to write and faults to count.
 */
export function settle(machine: Machine): void {
  const { vmas, words } = machine
  const limit = performance.now() + LIMIT_MS
  for (let id = 1; id <= vmas.highest; id++) {
    const users = vmas.at(id) + VmaWord.Users
    for (let count = words.load(users); count !== 0 && performance.now() < limit; count = words.load(users)) {
      words.wait(users, count, PAUSE_MS)
    }
  }
}
