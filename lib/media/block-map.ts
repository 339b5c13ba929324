/**
 * What a file system knows of one file: page index → hole, or page frame number and whether it was ever written.
 *
 *   root    one word in the inode: an extent tree in pages, value = pfn of the first page, state = BlockState
 *   hole    no extent. unwritten: allocated by fallocate, reads as zero. written: data
 *   lock    the caller holds the inode's ilock for every call, lookup too; allocator and extent pool lock themselves
 *   errors  -ENOSPC when the device is full or the extent pool is exhausted
 *
 * Placement keeps pgoff % 512 = pfn % 512 while there are free groups: a page goes next to its neighbours, and the
 * first page of a 2 MiB goes to its offset in a free group. So pages touched in any order end up as one extent, which
 * is what a 2 MiB entry needs.
 */
import { assert } from '../assert.js'
import { Page, PGOFF_LIMIT } from '../constants.js'
import { ErrorNumber, type Errno } from '../errors.js'
import { ExtentCursor, type ExtentTree } from '../tree/extent-tree.js'
import type { PfnAllocator } from './pfn-allocator.js'

export const enum BlockState {
  Hole = 0,
  Unwritten = 1,
  Written = 2,
}

/** BlockState.Written as the plain number an extent record keeps; no extent is ever in state Hole. */
const WRITTEN: number = BlockState.Written

/** What lookup found at a page. The caller owns it and uses it again. */
export class BlockCursor {
  state = BlockState.Hole
  /** 0 in a hole. */
  pfn = 0
  /** Pages from the one asked for to the end of the extent, or of the hole. */
  pages = 0
}

/** An extent of a file. */
export interface BlockRun {
  readonly first: number
  readonly pages: number
  readonly state: BlockState
}

export class BlockMap {
  readonly #tree: ExtentTree
  readonly #pfns: PfnAllocator
  readonly #extent = new ExtentCursor()

  constructor(tree: ExtentTree, pfns: PfnAllocator) {
    this.#tree = tree
    this.#pfns = pfns
  }

  /** Return: the state of page `pgoff`, and with it in `cursor` its pfn and how far the same goes on. */
  lookup(root: number, pgoff: number, cursor: BlockCursor): BlockState {
    const extent = this.#extent
    const isFound = this.#tree.findFrom(root, pgoff, extent)
    if (!isFound || extent.start > pgoff) {
      cursor.state = BlockState.Hole
      cursor.pfn = 0
      cursor.pages = (isFound ? extent.start : PGOFF_LIMIT) - pgoff
    } else {
      cursor.state = extent.state === WRITTEN ? BlockState.Written : BlockState.Unwritten
      cursor.pfn = extent.value + (pgoff - extent.start)
      cursor.pages = extent.start + extent.length - pgoff
    }
    return cursor.state
  }

  /**
   * Give the hole at `pgoff` a block in `state`.
   * Return: its pfn, or -ENOSPC.
   */
  allocate(root: number, pgoff: number, state: BlockState.Unwritten | BlockState.Written): number {
    assert(this.#isHole(root, pgoff, 1), 'block allocated where there is one', { pgoff })
    const pfn = this.#pfns.allocate(this.#goal(root, pgoff), pgoff % Page.PmdPages)
    if (pfn === 0) return -ErrorNumber.ENOSPC
    return this.#insertOrFree(root, pgoff, 1, pfn, state)
  }

  /**
   * Give the 2 MiB hole at `pgoff` (a multiple of 512) one aligned run.
   * Return: its pfn, or -ENOSPC: there may be room for single pages still.
   */
  allocateHuge(root: number, pgoff: number, state: BlockState.Unwritten | BlockState.Written): number {
    assert(pgoff % Page.PmdPages === 0, '2 MiB allocation not aligned', { pgoff })
    assert(this.#isHole(root, pgoff, Page.PmdPages), '2 MiB allocation where there are blocks', { pgoff })
    const pfn = this.#pfns.allocateRun(Page.PmdPages, 0, this.#goal(root, pgoff))
    if (pfn === 0) return -ErrorNumber.ENOSPC
    return this.#insertOrFree(root, pgoff, Page.PmdPages, pfn, state)
  }

  /**
   * Give every hole of the range blocks in `state`; blocks that are there stay as they are (fallocate).
   *
   * Return: 0, or -ENOSPC. A full device is found out before anything is changed. When the extent pool runs out on the
   * way the blocks allocated until then stay, as on the file systems this stands for.
   */
  allocateRange(root: number, pgoff: number, count: number, state: BlockState.Unwritten | BlockState.Written): Errno {
    const holes = count - this.blocksIn(root, pgoff, count)
    if (this.#pfns.reserve(holes) !== 0) return -ErrorNumber.ENOSPC
    const filled = this.#fill(root, pgoff, pgoff + count, state)
    if (filled === holes) return 0
    this.#pfns.unreserve(holes - filled)
    return -ErrorNumber.ENOSPC
  }

  /**
   * Unwritten blocks of the range become written; holes and written ones stay.
   *
   * Return: 0, or -ENOSPC when the extent pool is exhausted: a part may be converted then, and the call can be
   * repeated. A range inside one extent is converted whole or not at all.
   */
  convert(root: number, pgoff: number, count: number): Errno {
    return this.#setState(root, pgoff, count, BlockState.Unwritten, BlockState.Written)
  }

  /**
   * Written blocks of the range become unwritten, holes get unwritten blocks (zero range).
   * Return: 0 or -ENOSPC.
   */
  unwrite(root: number, pgoff: number, count: number): Errno {
    const error = this.allocateRange(root, pgoff, count, BlockState.Unwritten)
    return error === 0 ? this.#setState(root, pgoff, count, BlockState.Written, BlockState.Unwritten) : error
  }

  /**
   * Make the range a hole and give its blocks back.
   *
   * Return: 0, or -ENOSPC with nothing changed, when a range inside one extent finds no record for the cut.
   */
  free(root: number, pgoff: number, count: number): Errno {
    return this.#release(root, pgoff, count, false)
  }

  /**
   * Blocks found when a file is opened: [start, end), all holes until now, is in `state`, from the reservation that was
   * made for the file.
   *
   * Return: 0, or -ENOSPC when the extent pool is exhausted; then range and reservation are as before.
   */
  load(root: number, start: number, end: number, state: BlockState = BlockState.Written): Errno {
    assert(this.#isHole(root, start, end - start), 'blocks loaded where there are some', { start, end })
    const filled = this.#fill(root, start, end, state)
    if (filled === end - start) return 0
    if (filled > 0) assert(this.#release(root, start, filled, true) === 0, 'blocks of a failed load not taken back')
    return -ErrorNumber.ENOSPC
  }

  /** The reverse of load, for all blocks of a file that is closed: extents and numbers go, the room stays reserved. */
  unload(root: number): void {
    const error = this.#release(root, 0, PGOFF_LIMIT, true)
    assert(error === 0, 'unloading whole extents needs no record', { error })
  }

  /**
   * Move the blocks from page `from` on by `delta` pages, for collapse and insert range. What they move over must be a
   * hole. Return: 0, or -ENOSPC with nothing changed.
   */
  shift(root: number, from: number, delta: number): Errno {
    return this.#tree.shift(root, from, delta)
  }

  /** Return: first page and length of the extent that holds `pgoff`; zero pages in a hole. */
  extentAt(root: number, pgoff: number): { first: number; pages: number } {
    if (!this.#tree.find(root, pgoff, this.#extent)) return { first: pgoff, pages: 0 }
    return { first: this.#extent.start, pages: this.#extent.length }
  }

  /** All extents, in order. */
  runs(root: number): BlockRun[] {
    const runs: BlockRun[] = []
    const extent = new ExtentCursor()
    for (let at = 0; this.#tree.findFrom(root, at, extent); at = extent.start + extent.length) {
      const state = extent.state === WRITTEN ? BlockState.Written : BlockState.Unwritten
      runs.push({ first: extent.start, pages: extent.length, state })
    }
    return runs
  }

  /** Return: allocated pages. Visits all extents. */
  blocks(root: number): number {
    return this.#tree.totalLength(root)
  }

  /** Return: allocated pages of the range. */
  blocksIn(root: number, pgoff: number, count: number): number {
    const extent = this.#extent
    const end = pgoff + count
    let blocks = 0
    let at = pgoff
    while (at < end && this.#tree.findFrom(root, at, extent) && extent.start < end) {
      const from = Math.max(at, extent.start)
      at = Math.min(end, extent.start + extent.length)
      blocks += at - from
    }
    return blocks
  }

  /**
   * May a 2 MiB entry stand for the pages from `pgoff` (a multiple of 512) on?
   * Return: the pfn, a multiple of 512 too, when they are one written extent; else 0.
   */
  isContiguous2M(root: number, pgoff: number): number {
    const extent = this.#extent
    if (!this.#tree.find(root, pgoff, extent) || extent.state !== WRITTEN) return 0
    if (extent.start + extent.length < pgoff + Page.PmdPages) return 0
    const pfn = extent.value + (pgoff - extent.start)
    return pfn % Page.PmdPages === 0 ? pfn : 0
  }

  /** Return: the pfn that carries a neighbour in the same 2 MiB on to `pgoff`; without one, only the offset. */
  #goal(root: number, pgoff: number): number {
    const extent = this.#extent
    const offset = pgoff % Page.PmdPages
    const first = pgoff - offset
    if (this.#tree.previous(root, pgoff, extent) && extent.start + extent.length > first) {
      return extent.value + (pgoff - extent.start)
    }
    if (this.#tree.findFrom(root, pgoff, extent) && extent.start < first + Page.PmdPages) {
      return Math.max(0, extent.value - (extent.start - pgoff))
    }
    return offset
  }

  /** Blocks of the range in state `from` change to `to`. */
  #setState(root: number, pgoff: number, count: number, from: BlockState, to: BlockState): Errno {
    const extent = this.#extent
    const end = pgoff + count
    let at = pgoff
    while (at < end && this.#tree.findFrom(root, at, extent) && extent.start < end) {
      const first = Math.max(at, extent.start)
      const pfn = extent.value + (first - extent.start)
      at = Math.min(end, extent.start + extent.length)
      if (extent.state !== (from as number)) continue
      const error = this.#tree.insert(root, first, at - first, pfn, to)
      if (error !== 0) return error
    }
    return 0
  }

  #isHole(root: number, pgoff: number, count: number): boolean {
    return !this.#tree.findFrom(root, pgoff, this.#extent) || this.#extent.start >= pgoff + count
  }

  #insertOrFree(root: number, pgoff: number, count: number, pfn: number, state: BlockState): number {
    const error = this.#tree.insert(root, pgoff, count, pfn, state)
    if (error === 0) return pfn
    this.#pfns.free(pfn, count)
    return error
  }

  /** Fill the holes of [pgoff, end) from the reservation. Return: pages filled; fewer when extents run out. */
  #fill(root: number, pgoff: number, end: number, state: BlockState): number {
    const extent = this.#extent
    let filled = 0
    let at = pgoff
    while (at < end) {
      let stop = Math.min(end, at - (at % Page.PmdPages) + Page.PmdPages)
      if (this.#tree.findFrom(root, at, extent)) {
        if (extent.start <= at) {
          at = extent.start + extent.length
          continue
        }
        stop = Math.min(stop, extent.start)
      }
      const placed = this.#placeReserved(root, at, stop - at, state)
      if (placed === 0) break
      filled += placed
      at += placed
    }
    return filled
  }

  /** Return: pages placed at `pgoff`, all of `count` or 1; 0 when the extent pool is exhausted. */
  #placeReserved(root: number, pgoff: number, count: number, state: BlockState): number {
    const offset = pgoff % Page.PmdPages
    const goal = this.#goal(root, pgoff)
    let pages = count
    let pfn = this.#pfns.allocateReservedRun(count, offset, goal)
    if (pfn === 0) {
      pages = 1
      pfn = this.#pfns.allocateReserved(goal, offset)
    }
    if (this.#tree.insert(root, pgoff, pages, pfn, state) === 0) return pages
    this.#pfns.freeReserved(pfn, pages)
    return 0
  }

  #release(root: number, pgoff: number, count: number, keepRoom: boolean): Errno {
    const extent = this.#extent
    const end = pgoff + count
    let at = pgoff
    while (at < end && this.#tree.findFrom(root, at, extent) && extent.start < end) {
      const from = Math.max(at, extent.start)
      const pfn = extent.value + (from - extent.start)
      at = Math.min(end, extent.start + extent.length)
      // Only a cut inside one extent can fail, and then it is the only extent of the range: nothing was freed before.
      const error = this.#tree.remove(root, from, at - from)
      if (error !== 0) return error
      if (keepRoom) this.#pfns.freeReserved(pfn, at - from)
      else this.#pfns.free(pfn, at - from)
    }
    return 0
  }
}
