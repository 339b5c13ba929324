/**
 * The harnesses in their short form: every interleaving of two threads with two preemptions, of three or four with one,
 * then some by PCT. `npm run test:schedule` explores them with one preemption more.
 */
import { expect } from 'chai'
import { seedFor } from '../support/seed.js'
import { explore, tellFinding } from './explore.js'
import { Explorer } from './explorer.js'
import { HARNESSES } from './harnesses/all.js'
import { findHarness } from './harnesses/registry.js'
import { DepthFirst } from './schedulers/depth-first.js'
import { Pct } from './schedulers/pct.js'

const PCT_DEPTH = 3
const PCT_EXECUTIONS = 100

describe('schedule/harnesses', () => {
  const run = new Set<string>()

  async function explored(name: string): Promise<void> {
    const harness = findHarness(name)
    run.add(name)
    const explorer = await Explorer.start(harness)
    try {
      const first = new DepthFirst(harness.shortBound ?? (harness.threads.length === 2 ? 2 : 1))
      const pct = new Pct(seedFor(name), harness.threads.length, PCT_DEPTH, PCT_EXECUTIONS)
      for (const scheduler of [first, pct]) {
        const { finding, complete, states } = await explore(explorer, scheduler)
        expect(finding === undefined ? 'nothing' : tellFinding(finding), scheduler.name).to.equal('nothing')
        expect([complete, states.size > 0]).to.deep.equal([true, true])
      }
    } finally {
      await explorer.stop()
    }
  }

  it('fault-fault: S0.1, S0.10, B1: of two first stores to one page of a hole neither is lost', () =>
    explored('fault-fault'))

  it('fault-huge: T4, K6, K20, S2.9, B21: 4 KiB and 2 MiB faults in one range make no overlapping entries', () =>
    explored('fault-huge'))

  it('hole-read-write: S0.2, S0.3, T7, B7, B15: a load leaves no zero page behind a store that fills the hole', () =>
    explored('hole-read-write'))

  it('fault-truncate: S0.9, K5, K84: a store and a truncate of its page leave nothing past EOF', () =>
    explored('fault-truncate'))

  it('copy-truncate: S0.6, B8: after a truncate no private copy of a freed block can appear', () =>
    explored('copy-truncate'))

  it('writeback-truncate: S0.9, K70, K84: a sync that meets a truncate of its page succeeds', () =>
    explored('writeback-truncate'))

  it('fault-punch: S0.9, K5, K101: after a store and a punch of its page nothing of the old block is left', () =>
    explored('fault-punch'))

  it('fault-collapse: S0.9, K5, K84: a store moves with its page or comes after the collapse', () =>
    explored('fault-collapse'))

  it('mkwrite-writeback: S0.8, K60, K70, T11: a store is written by the sync it meets, or dirties the page again', () =>
    explored('mkwrite-writeback'))

  it('store-writeback: S0.8, K70: a store through a writable mapping faults once the sync has protected the page', () =>
    explored('store-writeback'))

  it('mkwrite-punch: K60, K61: a pfn_mkwrite whose page is punched meanwhile makes nothing writable that is gone', () =>
    explored('mkwrite-punch'))

  it('fsync-fsync: S1.6, K70: no sync of a page that another is writing returns before it is on media', () =>
    explored('fsync-fsync'))
  it('fsync-parts: S1.6, K70: no sync returns before what another one took from it is on media', () =>
    explored('fsync-parts'))

  it('invalidate-waiters: K15, K16, T12, S0.5, B24: who removes an entry wakes all three that wait for it', () =>
    explored('invalidate-waiters'))

  it('downgrade-sleepers: T5, K11, S2.4, S2.8: a downgrade wakes everyone asleep on the key of the huge entry', () =>
    explored('downgrade-sleepers'))

  it('tree-growth: K1, S0.13: look-ups see the tree whole while nodes are added and given back', () =>
    explored('tree-growth'))

  it('range-overlap: K5, S0.9: overlapping ranges exclude each other, and whoever waits is woken', () =>
    explored('range-overlap'))

  it('range-disjoint: S3.5, K5: a fault beside a range that is held exclusively does not wait for it', () =>
    explored('range-disjoint'))

  it('wait-collisions: K10, K16, K17, T10: sleepers of different entries in one bucket are woken by their own', () =>
    explored('wait-collisions'))

  it('sync-map-commit: K50, K62, K64: no store through MAP_SYNC goes ahead of the commit of its block', () =>
    explored('sync-map-commit'))

  it('pending-writeback: K71, S1.3: a fence brings no snapshot to media that is older than what a sync wrote', () =>
    explored('pending-writeback'))

  it('memory-failure-truncate: S4.1, S4.3, K95, T14: a memory failure finds the page in the file, or nobody', () =>
    explored('memory-failure-truncate'))

  it('memory-failure-fault: K14, K97: a page that went bad is mapped by no fault that waited for its entry', () =>
    explored('memory-failure-fault'))

  it('fault-around-failure: S4.1, K95: a page that goes bad is not mapped by the fault of its neighbour', () =>
    explored('fault-around-failure'))

  it('fault-around-sync: K60, K70: a store to a page that was mapped along faults, and no sync misses it', () =>
    explored('fault-around-sync'))

  it('async-store-sync: S1.6, K70: a store that only the page table knows of is written by the sync after it', () =>
    explored('async-store-sync'))

  it('async-store-flush: K71: a flush of lines finds a store that only the page table knows of', () =>
    explored('async-store-flush'))

  it('async-store-drop: K70, B17: a page that was stored to is dirty when it is loaded again after it went', () =>
    explored('async-store-drop'))

  it('are all here', () => {
    expect([...run].sort()).to.deep.equal(HARNESSES.map(({ name }) => name).sort())
  })
})
