/** The block map of a mount with faults injected: asking for blocks may fail. */
import type { Errno } from '../errors.js'
import type { ExtentTree } from '../tree/extent-tree.js'
import { BlockMap, type BlockState } from './block-map.js'
import { Injectable, type Injector } from './injector.js'
import type { PfnAllocator } from './pfn-allocator.js'

export class InjectedBlockMap extends BlockMap {
  constructor(
    tree: ExtentTree,
    pfns: PfnAllocator,
    private readonly injector: Injector,
    /** The inode a root is in. */
    private readonly inodeOf: (root: number) => number,
  ) {
    super(tree, pfns)
  }

  override allocate(root: number, pgoff: number, state: BlockState.Unwritten | BlockState.Written): number {
    const error = this.#fail(root)
    return error < 0 ? error : super.allocate(root, pgoff, state)
  }

  override allocateHuge(root: number, pgoff: number, state: BlockState.Unwritten | BlockState.Written): number {
    const error = this.#fail(root)
    return error < 0 ? error : super.allocateHuge(root, pgoff, state)
  }

  override allocateRange(
    root: number,
    pgoff: number,
    count: number,
    state: BlockState.Unwritten | BlockState.Written,
  ): Errno {
    const error = this.#fail(root)
    return error < 0 ? error : super.allocateRange(root, pgoff, count, state)
  }

  override convert(root: number, pgoff: number, count: number): Errno {
    const error = this.#fail(root)
    return error < 0 ? error : super.convert(root, pgoff, count)
  }

  #fail(root: number): Errno {
    return this.injector.fail(Injectable.Allocate, this.inodeOf(root))
  }
}
