/**
 * The page-table port: what DAX code does to the page tables of the processes that map a file.
 *
 * Production is fault/uffd-page-table.ts (userfaultfd on memfd mappings), tests use mm/model-page-table.ts. All calls
 * are made with the entry of the page locked, so nobody else changes the same page of the same file meanwhile; they
 * return 0 or -errno and never sleep on anything a faulting thread can hold.
 *
 * Pages that are mapped read-only are write-protected such that the next store faults again.
 */
import type { Errno } from '../errors.js'
import type { PageRuns } from './page-runs.js'

/** Where the bytes of a page come from when the cache does not hold it yet. */
export const enum PageSource {
  /** A hole: zeroes. */
  Zero = 0,
  /** A block: the media. */
  Media = 1,
}

export interface PageTable {
  /**
   * Make the page of the file present in the mapping (vmf_insert_mixed). Fills the cache from `source` if the page is
   * not in it: never over what the cache holds. A page already present is upgraded when `writable`.
   * cached: what the fault event said about the cache; a hint that saves a call, right or wrong.
   */
  mapPage(vma: number, pgoff: number, source: PageSource, cached: boolean, writable: boolean): Errno
  /**
   * Map pages of a shared mapping that the cache holds, read-only, until one is mapped already or not in the cache.
   * Return: bytes mapped, or -errno when the first one was not.
   */
  mapCached(vma: number, pgoff: number, count: number): number
  /**
   * mapPage for a page of a huge page that the model has mapped: others of its 2 MiB may be mapped along, in the same
   * way, if the host has none of them yet.
   */
  mapPiece(vma: number, pgoff: number, source: PageSource, cached: boolean, writable: boolean): Errno
  /**
   * Map the 2 MiB of a D2M entry, as far as the host does it in one go: pages it leaves out are mapped when touched.
   * pgoff: the page that was touched, any of the 512.
   */
  mapHuge(vma: number, pgoff: number, source: PageSource, writable: boolean): Errno
  /** Unmap part of one mapping, private copies excepted; huge slots are the caller's business. */
  unmapRange(vma: number, address: number, length: number): Errno
  /** Give a present, write-protected page of a shared mapping back its write access (pfn_mkwrite). */
  makeWritable(vma: number, pgoff: number): Errno
  /** Install an anonymous copy of the page in a private mapping (the COW fault); present afterwards, writable. */
  mapPrivateCopy(vma: number, pgoff: number, source: PageSource): Errno
  /**
   * Unmap pages of the file from every mapping, private copies excepted (unmap_mapping_pages, even_cows = 0). A huge
   * page of which a part is unmapped goes as a whole.
   */
  unmapPages(inode: number, pgoff: number, count: number): Errno
  /** Unmap pages of the file from private mappings, copies included (even_cows = 1). */
  dropCopies(inode: number, pgoff: number, count: number): Errno
  /** Write-protect pages of the file in every shared mapping (mkclean): of 4 KiB entries, or of one of 2 MiB. */
  protectRuns(inode: number, runs: PageRuns): Errno
  /**
   * Pages [first, last] that may have been stored to, through mappings that are tracked asynchronously, since they were
   * last protected: visit gets runs of them. More than were is allowed, fewer is not; nothing is changed.
   */
  collectWritten(inode: number, first: number, last: number, visit: (first: number, pages: number) => void): void
  /**
   * Are all these pages absent from the page table of the mapping, and were they protected when they went, if they ever
   * were there? Then no store was made through it that a sync has not seen.
   */
  isKnownClean(vma: number, pgoff: number, count: number): boolean
  /** Let the access, and later ones, fail with SIGBUS (VM_FAULT_SIGBUS) until the page is unmapped again. */
  failPage(vma: number, pgoff: number): Errno
  /** Let the faulting threads try again. */
  retryPage(vma: number, pgoff: number): void
}
