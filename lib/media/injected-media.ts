/**
 * The Media port with faults injected: every operation that reaches the media asks the injector first. What only
 * concerns the cache goes through untouched. A mount without rules has no such object in its way.
 */
import { Page } from '../constants.js'
import type { Errno } from '../errors.js'
import { InodeFlag, type InodeTable } from '../mm/inode.js'
import type { PageRuns } from '../mm/page-runs.js'
import type { BlockRun } from './block-map.js'
import { Injectable, type Injector, endProcess, hash } from './injector.js'
import type { Media } from './media.js'
import type { BadRun } from './page-poison.js'

export class InjectedMedia implements Media {
  constructor(
    private readonly inner: Media,
    private readonly injector: Injector,
    private readonly inodes: InodeTable,
  ) {}

  beginRead(inode: number, offset: number, length: number): Errno {
    if (this.inner.isCached(inode, offset, Page.Size)) return 0
    const error = this.injector.fail(Injectable.MediaRead, inode)
    return error < 0 ? error : this.inner.beginRead(inode, offset, length)
  }

  writeback(inode: number, offset: number, length: number, size: number): Errno {
    const { error, torn, kill, seed } = this.injector.decide(Injectable.MediaWrite, inode)
    if (torn) this.#writeSome(inode, offset, Math.min(offset + length, size), size, seed)
    if (kill) endProcess()
    return error < 0 ? error : this.inner.writeback(inode, offset, length, size)
  }

  /** Each run is a write of its own. */
  writebackRuns(inode: number, runs: PageRuns, size: number): Errno {
    for (let run = 0; run < runs.count; run++) {
      const error = this.writeback(inode, runs.first(run) * Page.Size, runs.length(run) * Page.Size, size)
      if (error < 0) return error
    }
    return 0
  }

  /** Of a write that is torn, each line arrives or not, for itself (D9: lines are independent). */
  #writeSome(inode: number, offset: number, end: number, size: number, seed: number): void {
    for (let at = offset; at < end; at += Page.LineSize) {
      if (!arrives(seed, at) || !this.inner.isCached(inode, at, Page.LineSize)) continue
      this.inner.writeback(inode, at, Page.LineSize, size)
    }
  }

  commitLine(inode: number, offset: number, at: number, length: number): Errno {
    const { error, torn, kill, seed } = this.injector.decide(Injectable.MediaWrite, inode)
    if (torn && arrives(seed, offset)) this.inner.commitLine(inode, offset, at, length)
    if (kill) endProcess()
    return error < 0 ? error : this.inner.commitLine(inode, offset, at, length)
  }

  fillPage(inode: number, pgoff: number, fromMedia: boolean): Errno {
    if (fromMedia && !this.inner.isCached(inode, pgoff * Page.Size, Page.Size)) {
      const error = this.injector.fail(Injectable.MediaRead, inode)
      if (error < 0) return error
    }
    return this.inner.fillPage(inode, pgoff, fromMedia)
  }

  fillPages(inode: number, pgoff: number, count: number): Errno {
    if (this.inner.isCached(inode, pgoff * Page.Size, count * Page.Size)) return 0
    const error = this.injector.fail(Injectable.MediaRead, inode)
    return error < 0 ? error : this.inner.fillPages(inode, pgoff, count)
  }

  zeroMedia(inode: number, offset: number, length: number): Errno {
    const error = this.injector.fail(Injectable.Punch, inode)
    return error < 0 ? error : this.inner.zeroMedia(inode, offset, length)
  }

  punchMedia(inode: number, offset: number, length: number): Errno {
    const error = this.injector.fail(Injectable.Punch, inode)
    return error < 0 ? error : this.inner.punchMedia(inode, offset, length)
  }

  moveMedia(inode: number, from: number, to: number, length: number): Errno {
    const error = this.injector.fail(Injectable.Move, inode)
    return error < 0 ? error : this.inner.moveMedia(inode, from, to, length)
  }

  resizeMedia(inode: number, size: number): Errno {
    const error = this.injector.fail(Injectable.Resize, inode)
    return error < 0 ? error : this.inner.resizeMedia(inode, size)
  }

  commitBlocks(inode: number, runs: readonly BlockRun[]): Errno {
    const error = this.injector.fail(Injectable.Note, inode)
    return error < 0 ? error : this.inner.commitBlocks(inode, runs)
  }

  /** Where there is no note, nothing is written. */
  uncommitBlocks(inode: number, first: number, end: number): Errno {
    const writes = first < end && this.inodes.hasFlags(inode, InodeFlag.Noted) && this.#isNamed(inode)
    const error = writes ? this.injector.fail(Injectable.Note, inode) : 0
    return error < 0 ? error : this.inner.uncommitBlocks(inode, first, end)
  }

  noteBadBlocks(inode: number, runs: readonly BadRun[]): Errno {
    const error = this.#isNamed(inode) ? this.injector.fail(Injectable.Note, inode) : 0
    return error < 0 ? error : this.inner.noteBadBlocks(inode, runs)
  }

  syncMedia(inode: number): Errno {
    const error = this.injector.fail(Injectable.Sync, inode)
    return error < 0 ? error : this.inner.syncMedia(inode)
  }

  isCached(inode: number, offset: number, length: number): boolean {
    return this.inner.isCached(inode, offset, length)
  }

  zeroCache(inode: number, offset: number, length: number): Errno {
    return this.inner.zeroCache(inode, offset, length)
  }

  dropCache(inode: number, offset: number, length: number): Errno {
    return this.inner.dropCache(inode, offset, length)
  }

  resizeCache(inode: number, size: number): Errno {
    return this.inner.resizeCache(inode, size)
  }

  captureLine(inode: number, offset: number, at: number): Errno {
    return this.inner.captureLine(inode, offset, at)
  }

  diffPage(inode: number, pgoff: number): Errno {
    return this.inner.diffPage(inode, pgoff)
  }

  lineMask(half: 0 | 1): number {
    return this.inner.lineMask(half)
  }

  #isNamed(inode: number): boolean {
    return !this.inodes.hasFlags(inode, InodeFlag.Unlinked)
  }
}

/** offset: of the line. */
function arrives(seed: number, offset: number): boolean {
  return (hash(seed, offset / Page.LineSize) & 1) === 1
}
