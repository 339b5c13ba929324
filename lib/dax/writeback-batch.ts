/**
 * The entries one thread writes back in one go, all of them locked by it: which pages, and where the entries are.
 *
 * As with the one entry of a fault (held-entry.ts), a locked entry stays where it is, so nobody looks for it again. One
 * for each thread, used again by each of its syncs.
 */
import { PageRuns } from '../mm/page-runs.js'
import { Cursor } from '../tree/cursor.js'

/** Pages of 4 KiB entries that are written back in one go, and locked meanwhile. */
export const BATCH_PAGES = 64

export class WritebackBatch {
  readonly runs = new PageRuns(BATCH_PAGES)
  /** Where the scan for what is to be written stands. */
  readonly cursor = new Cursor()
  /** Entries. */
  count = 0
  readonly #indices = new Float64Array(BATCH_PAGES)
  readonly #places = new Int32Array(BATCH_PAGES)

  clear(): void {
    this.count = 0
    this.runs.clear()
  }

  /** An entry behind all that are in it. pages: that it answers for; place: RadixTree.placeOf. */
  add(index: number, pages: number, place: number): void {
    this.#indices[this.count] = index
    this.#places[this.count] = place
    this.count++
    this.runs.add(index, pages)
  }

  index(entry: number): number {
    return this.#indices[entry] as number
  }

  place(entry: number): number {
    return this.#places[entry] as number
  }
}
