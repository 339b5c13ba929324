/** One fault on its way through the handlers (vm_fault). */
export interface Fault {
  readonly vma: number
  readonly inode: number
  /** Page in the file. */
  readonly pgoff: number
  /** Of the page, in the mapping. */
  readonly address: number
  readonly write: boolean
  /** A store to a present, protected page (FAULT_FLAG_MKWRITE). */
  readonly mkwrite: boolean
  /** The event said that the cache holds the page: which resolve call to try first. */
  readonly cached: boolean
  /** False: give up with WOULD_BLOCK instead of sleeping. */
  readonly maySleep: boolean
}

/** The fault a thread is serving: one record for all of them, since it serves one at a time. */
export class CurrentFault implements Fault {
  vma = 0
  inode = 0
  pgoff = 0
  address = 0
  write = false
  mkwrite = false
  cached = false
  maySleep = false
}

/** How the page was accessed and found; the addon's fault bits. */
export const enum Access {
  Write = 1,
  /** Present in this page table, write-protected. */
  Protected = 2,
  /** In the cache, not in this page table. */
  Cached = 4,
}

/** In place of a FaultKind: the fault would have had to sleep; nothing was done. */
export const WOULD_BLOCK = -1
/** In place of a FaultKind: a 2 MiB fault that must be served as a 4 KiB one (VM_FAULT_FALLBACK). */
export const FALLBACK = -2
