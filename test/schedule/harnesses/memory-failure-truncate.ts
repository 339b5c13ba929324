/**
 * Memory failure against a truncate and against a fault of the page (S4.1, S4.3, K14, K95–K97, T14, B25, B26).
 *
 * One thread knows a page frame and finds the page by it; the other takes the page out of the file, or stores to it.
 * A failure that finds the page locks its entry, marks the frame bad and unmaps it; one that comes too late finds
 * nobody and marks nothing. At the end a page that is bad is mapped nowhere.
 */
import { memoryFailure } from '../../../lib/dax/memory-failure.js'
import { Page } from '../../../lib/constants.js'
import { ErrorNumber } from '../../../lib/errors.js'
import { Pte } from '../../support/model-page-table.js'
import { type SmallKernel, entryAt, giveBlock, mapFile } from '../../support/small-kernel.js'
import { FILE, type Harness, type HarnessThread, PAGE } from '../harness.js'
import { requireInvariant } from '../violation.js'
import { SIGBUS, store, truncate } from './bodies.js'

const INDEX = 3
const HERE = INDEX * PAGE
/** Place INDEX of the first 2 MiB of the device. */
const PFN = Page.PmdPages + INDEX

const fail: HarnessThread = { name: 'memory failure', run: (kernel) => memoryFailure(kernel, PFN) }

function setup(kernel: SmallKernel): void {
  mapFile(kernel, FILE)
  mapFile(kernel, FILE)
  const pfn = giveBlock(kernel, FILE, INDEX, 9)
  requireInvariant(pfn === PFN, `the block is ${pfn}`)
  kernel.pageTable.load(kernel, 1, HERE)
}

function requireUnmapped(kernel: SmallKernel, failed: number): void {
  requireInvariant(failed === 0 || failed === -ErrorNumber.EBUSY, `memory failure gave ${failed}`)
  requireInvariant(kernel.pfns.isPoisoned(PFN) === (failed === 0), 'marked and reported do not agree')
  for (const vma of [1, 2]) {
    const pte = kernel.pageTable.pte(vma, INDEX)
    const mapped = pte !== Pte.Absent && pte !== Pte.Failed
    requireInvariant(failed !== 0 || !mapped, `a bad page is mapped in mapping ${vma}`)
  }
}

export const MEMORY_FAILURE_TRUNCATE: Harness = {
  name: 'memory-failure-truncate',
  shows: 'S4.1, S4.3, K95, T14: a memory failure finds the page in the file, or nobody',
  sizes: { pages: 4 },
  setup,
  threads: [fail, truncate(2)],
  check: (kernel, [failed = 0]) => {
    requireUnmapped(kernel, failed)
    requireInvariant(entryAt(kernel, FILE, INDEX) === 'N', 'the entry is still there')
    requireInvariant(kernel.pfns.freePages === kernel.handle.sizes.capacity, 'the block is still allocated')
  },
}

export const MEMORY_FAILURE_FAULT: Harness = {
  name: 'memory-failure-fault',
  shows: 'K14, K97: a page that went bad is mapped by no fault that waited for its entry',
  sizes: { pages: 4 },
  setup,
  threads: [fail, store(2, HERE, 1)],
  check: (kernel, [failed = 0, stored]) => {
    requireInvariant(failed === 0, `memory failure gave ${failed}`)
    requireInvariant(stored === 0 || stored === SIGBUS, `the store gave ${stored}`)
    requireUnmapped(kernel, failed)
  },
}
