/**
 * A store against a punch of its page (S0.9, K5, K101, T12, B9).
 *
 * Either the store comes first and is punched away, or it comes later, allocates anew, and stays: a page of zeroes with
 * one byte. Never is a page mapped whose block was freed, and the old block's bytes never come back.
 */
import { giveBlock, mapFile } from '../../support/small-kernel.js'
import { FILE, type Harness, PAGE } from '../harness.js'
import { requireInvariant } from '../violation.js'
import { byteOf, punch, store, storeByte } from './bodies.js'

const HERE = 3 * PAGE

export const FAULT_PUNCH: Harness = {
  name: 'fault-punch',
  shows: 'S0.9, K5, K101: a store and a punch of its page: one of them comes last, nothing of the old block stays',
  sizes: { pages: 4 },
  setup: (kernel) => {
    mapFile(kernel, FILE)
    giveBlock(kernel, FILE, 3, 9)
  },
  threads: [store(1, HERE, 1), punch(3)],
  check: (kernel) => {
    const [stored, old] = [byteOf(kernel, HERE), byteOf(kernel, HERE + 1)]
    requireInvariant(stored === 0 || stored === 1, `the byte is ${stored}`)
    requireInvariant(old === 0, `a byte of the punched block is still there: ${old}`)
  },
}

/** The page is clean and mapped read-only: the store is a pfn_mkwrite (K60, K61). */
export const MKWRITE_PUNCH: Harness = {
  name: 'mkwrite-punch',
  shows: 'K60, K61, B17: a pfn_mkwrite whose page is punched meanwhile makes nothing writable that is gone',
  sizes: { pages: 4 },
  setup: (kernel) => {
    mapFile(kernel, FILE)
    giveBlock(kernel, FILE, 3, 9)
    kernel.pageTable.load(kernel, 1, HERE)
  },
  threads: [{ name: 'store', run: (kernel) => storeByte(kernel, 1, HERE, 1) }, punch(3)],
  check: (kernel) => {
    const [stored, old] = [byteOf(kernel, HERE), byteOf(kernel, HERE + 1)]
    requireInvariant(stored === 0 || stored === 1, `the byte is ${stored}`)
    requireInvariant(old === 0, `a byte of the punched block is still there: ${old}`)
  },
}
