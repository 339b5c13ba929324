/** What a thread is doing, as a number its record has room for: ThreadWord.Call. */

/** By number. Calls that are not listed are 0. */
const NAMES = [
  'a call',
  'a page fault',
  'close',
  'crash',
  'verify',
  'open',
  'munmap',
  'mmap',
  'msync',
  'fsync',
  'fdatasync',
  'sync',
  'fence',
  'flush',
  'read',
  'write',
  'ftruncate',
  'fallocate',
  'fstat',
  'mprotect',
  'madvise',
  'mremap',
  'mlock',
  'munlock',
  'mincore',
  'readdir',
  'unlink',
  'rename',
  'poison',
  'memoryFailure',
  'badBlocks',
  'clearPoison',
  'pfnAt',
  'deepSync',
  'prefetch',
  'recordStores',
  'inject',
]

/** What a fault worker does. */
export const PAGE_FAULT = 1

const NUMBERS: ReadonlyMap<string, number> = new Map(NAMES.map((name, number) => [name, number]))

export function callNumber(name: string): number {
  return NUMBERS.get(name) ?? 0
}

export function callName(number: number): string {
  return NAMES[number] ?? 'a call'
}
