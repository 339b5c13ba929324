/** What threads of several harnesses do. */
import { syncFile } from '../../../lib/fs/sync.js'
import { Fallocate, fallocateFile } from '../../../lib/fs/fallocate.js'
import { setSize } from '../../../lib/fs/set-size.js'
import { ThreadWord } from '../../../lib/sync/threads.js'
import { Sigbus } from '../../support/model-page-table.js'
import type { SmallKernel } from '../../support/small-kernel.js'
import { FILE, type HarnessThread, PAGE } from '../harness.js'
import { requireInvariant } from '../violation.js'

/** In place of what an access gives: it was answered with SIGBUS. */
export const SIGBUS = -1

/** Store `value` to a byte of the file through a mapping. Return: 0 or SIGBUS. */
export function store(vma: number, offset: number, value: number): HarnessThread {
  return { name: 'store', run: (kernel) => storeByte(kernel, vma, offset, value) }
}

/** Return: the byte, or SIGBUS. */
export function load(vma: number, offset: number): HarnessThread {
  return { name: 'load', run: (kernel) => loadByte(kernel, vma, offset) }
}

export function storeByte(kernel: SmallKernel, vma: number, offset: number, value: number): number {
  return unlessSigbus(() => {
    kernel.pageTable.store(kernel, vma, offset, value)
    return 0
  })
}

export function loadByte(kernel: SmallKernel, vma: number, offset: number): number {
  return unlessSigbus(() => kernel.pageTable.load(kernel, vma, offset))
}

function unlessSigbus(access: () => number): number {
  try {
    return access()
  } catch (error) {
    if (error instanceof Sigbus) return SIGBUS
    throw error
  }
}

export const sync: HarnessThread = { name: 'fsync', run: (kernel) => succeed(syncFile(kernel, FILE), 'fsync') }

export function truncate(pages: number): HarnessThread {
  return { name: 'truncate', run: (kernel) => succeed(setSize(kernel, FILE, pages * PAGE), 'truncate') }
}

export function punch(page: number, pages = 1): HarnessThread {
  const mode = Fallocate.PunchHole | Fallocate.KeepSize
  return {
    name: 'punch',
    run: (kernel) => succeed(fallocateFile(kernel, FILE, mode, page * PAGE, pages * PAGE), 'punch'),
  }
}

export function collapse(page: number, pages = 1): HarnessThread {
  const mode = Fallocate.CollapseRange
  return {
    name: 'collapse',
    run: (kernel) => succeed(fallocateFile(kernel, FILE, mode, page * PAGE, pages * PAGE), 'collapse'),
  }
}

function succeed(error: number, call: string): number {
  requireInvariant(error === 0, `${call} failed with ${error}`)
  return 0
}

/**
 * Entries that setup has locked are somebody's: setup counts none when it is done, and the thread that unlocks them
 * counts the one it is about to unlock.
 */
export function countEntryLocks(kernel: SmallKernel, locks: number): void {
  kernel.words.set(kernel.threads.at(kernel.self) + ThreadWord.EntryLocks, locks)
}

/** First byte of a page as the cache has it, else media. Context: nobody runs. */
export function byteOf(kernel: SmallKernel, offset: number): number {
  const cached = kernel.media.isCached(FILE, offset, 1)
  return (cached ? kernel.media.cacheBytes(FILE, offset, 1) : kernel.media.mediaBytes(FILE, offset, 1))[0] as number
}

/** The byte on media now. */
export function mediaByte(kernel: SmallKernel, offset: number): number {
  return kernel.media.mediaBytes(FILE, offset, 1)[0] as number
}
