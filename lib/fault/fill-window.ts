/**
 * How many pages of a huge page the host maps when one of them is touched.
 *
 * In the model all 512 are mapped by the fault; the host maps them in pieces, and a piece need not be one page. Who
 * walks through memory in order has left the pages right before this one in the cache; who does not would pay, in
 * memory and in work of the next sync, for pages nobody asked for.
 *
 *   before this page, of 8          mapped now
 *   none in the cache               this page
 *   some, without a gap             8 pages
 *   all, or MADV_SEQUENTIAL         what is left of the 2 MiB
 *   MADV_RANDOM                     this page
 */
import type { Addon } from '../binding/addon.js'
import { Page } from '../constants.js'
import { VmaFlag } from '../mm/vma.js'

const LOOK_BACK = 8

export class FillWindow {
  readonly #before = new Uint8Array(LOOK_BACK)

  constructor(private readonly addon: Addon) {}

  /**
   * cache: address of the file's cache. end: of the 2 MiB. Context: the entry is locked. Return: pages from pgoff on.
   */
  pages(cache: number, pgoff: number, end: number, flags: number): number {
    if ((flags & VmaFlag.Random) !== 0) return 1
    const left = end - pgoff
    if ((flags & VmaFlag.Sequential) !== 0) return left
    const known = Math.min(LOOK_BACK, pgoff)
    const run = known === 0 ? 0 : this.#residentBefore(cache + pgoff * Page.Size, known)
    if (run === 0) return 1
    return run === LOOK_BACK ? left : Math.min(left, LOOK_BACK)
  }

  /** Pages in the cache right before an address, looking back no further than `known`. */
  #residentBefore(address: number, known: number): number {
    const bytes = known * Page.Size
    if (this.addon.residentPages(address - bytes, bytes, this.#before) < 0) return 0
    let run = 0
    while (run < known && this.#before[known - 1 - run] === 1) run++
    return run
  }
}
