/**
 * The reverse map: page frame number to (mapping, pgoff), the page->mapping and page->index of the kernel (K54).
 *
 *   size    2 words a page: mapping id (0: none) and pgoff; zeroed memory is a map without owners
 *   states  none → owned → none; changed by whoever inserts or erases the tree entry of the page, under the lock of
 *           that entry's tree, so there is one writer a page at a time
 *   reading without a lock (memory failure comes in by pfn and knows no mapping, K95): the answer was true at some
 *           moment, and the caller takes the entry lock of what it was told and looks again
 *
 * The writer stores pgoff before mapping and clears mapping alone, so a reader that finds the same mapping before and
 * after its look at pgoff has a pair that was written together, or a later pgoff of the same mapping.
 */
import { assert } from '../assert.js'
import type { SharedWords } from '../sync/shared-words.js'

/** Filled by ownerOf. */
export class PageOwner {
  mapping = 0
  pgoff = 0
}

export class PageOwners {
  readonly #words: SharedWords
  readonly #base: number
  readonly #firstPfn: number

  static wordsFor(pages: number): number {
    return pages * 2
  }

  /** firstPfn: the page frame number the map begins with. */
  constructor(words: SharedWords, base: number, firstPfn: number) {
    this.#words = words
    this.#base = base
    this.#firstPfn = firstPfn
  }

  /** Pages pfn .. pfn + count - 1 now back pgoff .. of `mapping`. They must have had no owner. */
  associate(pfn: number, mapping: number, pgoff: number, count: number): void {
    const words = this.#words
    assert(mapping > 0, 'association with no mapping', { pfn, mapping, pgoff })
    for (let page = 0; page < count; page++) {
      const at = this.#at(pfn + page)
      if (words.load(at) !== 0)
        assert(false, 'page associated twice', { pfn: pfn + page, mapping, pgoff, owner: words.load(at) })
      words.store(at + 1, (pgoff + page) | 0)
      words.store(at, mapping)
    }
  }

  /** Pages pfn .. pfn + count - 1 have no owner any more. They must have had one. */
  disassociate(pfn: number, count: number): void {
    for (let page = 0; page < count; page++) {
      const mapping = this.#words.exchange(this.#at(pfn + page), 0)
      if (mapping === 0) assert(false, 'page without an owner disassociated', { pfn: pfn + page })
    }
  }

  /** Return: true with the owner in `owner`. Context: no lock; see above for what the answer is worth. */
  ownerOf(pfn: number, owner: PageOwner): boolean {
    const words = this.#words
    const at = this.#at(pfn)
    for (;;) {
      const mapping = words.load(at)
      if (mapping === 0) return false
      const pgoff = words.load(at + 1) >>> 0
      // Another mapping here means that the page changed hands in between: each turn of the loop is someone's progress.
      if (words.load(at) !== mapping) continue
      owner.mapping = mapping
      owner.pgoff = pgoff
      return true
    }
  }

  /** Return: true when a page of the range has an owner. */
  isAnyOwned(pfn: number, count: number): boolean {
    for (let page = 0; page < count; page++) if (this.#words.load(this.#at(pfn + page)) !== 0) return true
    return false
  }

  #at(pfn: number): number {
    return this.#base + (pfn - this.#firstPfn) * 2
  }
}
