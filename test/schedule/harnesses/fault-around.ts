/**
 * Mapping around a fault against what works on the neighbours: a memory failure, which must leave a bad page mapped
 * nowhere (S4.1, K95), and a store with a sync, neither of which may be lost or passed over (K70).
 *
 * Pages 2 and 3 are in the cache and mapped through one mapping; a load of page 2 through the other maps page 3 along.
 */
import { memoryFailure } from '../../../lib/dax/memory-failure.js'
import { Page } from '../../../lib/constants.js'
import { Pte } from '../../support/model-page-table.js'
import { type SmallKernel, giveBlock, mapFile } from '../../support/small-kernel.js'
import { FILE, type Harness, type HarnessThread, PAGE } from '../harness.js'
import { requireInvariant } from '../violation.js'
import { byteOf, load, mediaByte, store, sync } from './bodies.js'

const HERE = 2 * PAGE
const NEIGHBOUR = 3 * PAGE
/** Place 3 of the first 2 MiB of the device. */
const PFN = Page.PmdPages + 3

const fail: HarnessThread = { name: 'memory failure', run: (kernel) => memoryFailure(kernel, PFN) }

function setup(kernel: SmallKernel): void {
  mapFile(kernel, FILE)
  mapFile(kernel, FILE)
  giveBlock(kernel, FILE, 2, 8)
  const pfn = giveBlock(kernel, FILE, 3, 9)
  requireInvariant(pfn === PFN, `the block is ${pfn}`)
  for (const offset of [HERE, NEIGHBOUR]) kernel.pageTable.load(kernel, 1, offset)
}

export const FAULT_AROUND_FAILURE: Harness = {
  name: 'fault-around-failure',
  shows: 'S4.1, K95: a page that goes bad is not mapped by the fault of its neighbour',
  sizes: { pages: 4, faultAround: 4 },
  setup,
  threads: [load(2, HERE), fail],
  check: (kernel, [loaded, failed]) => {
    requireInvariant(loaded === 8, `the load gave ${loaded}`)
    requireInvariant(failed === 0, `memory failure gave ${failed}`)
    for (const vma of [1, 2]) {
      const pte = kernel.pageTable.pte(vma, 3)
      requireInvariant(pte === Pte.Absent || pte === Pte.Failed, `a bad page is mapped in mapping ${vma}`)
    }
  },
}

export const FAULT_AROUND_SYNC: Harness = {
  name: 'fault-around-sync',
  shows: 'K60, K70: a store to a page that was mapped along faults, and no sync misses it',
  sizes: { pages: 4, faultAround: 4 },
  setup,
  threads: [
    load(2, HERE),
    {
      name: 'stores and fsync',
      run: (kernel) => {
        store(2, NEIGHBOUR, 1).run(kernel)
        sync.run(kernel)
        return store(2, NEIGHBOUR, 2).run(kernel)
      },
    },
  ],
  check: (kernel) => {
    requireInvariant(byteOf(kernel, NEIGHBOUR) === 2, 'the store is gone')
    requireInvariant(mediaByte(kernel, NEIGHBOUR) === 1, `media has ${mediaByte(kernel, NEIGHBOUR)}`)
    requireInvariant(kernel.pageTable.pte(2, 3) === Pte.Writable, 'the last store left no writable page')
  },
}
