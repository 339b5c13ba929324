/**
 * One mapping used by all threads, as threads of a C program use it: the leader maps, the others make ArrayBuffers over
 * the same addresses. Outside of tests nothing does that, because a buffer over addresses that somebody else unmaps
 * is a segmentation fault; here release() has everybody let go first.
 */
import { machineOf } from '../fs/pmem.js'
import type { MmapOptions } from '../fs/dax-file.js'
import type { Stage } from './stage.js'
import type { MappedTarget, Target } from './target.js'

export class SharedView {
  readonly buffer: ArrayBuffer
  readonly #stage: Stage
  /** The leader's. */
  readonly owner: MappedTarget | undefined

  /** All threads. options: with a length. */
  constructor(stage: Stage, target: Target, options: MmapOptions) {
    this.#stage = stage
    this.owner = stage.isLeader ? target.mmap(options) : undefined
    const address = stage.share(() => this.owner?.mapping.address ?? 0)
    this.buffer =
      this.owner?.mapping.buffer ?? machineOf(stage.pmem).addon.createArrayBuffer(address, Number(options.length))
    stage.barrier()
  }

  /** All threads, none of which uses the buffer any more. */
  release(): void {
    if (this.owner === undefined) machineOf(this.#stage.pmem).addon.detachArrayBuffer(this.buffer)
    this.#stage.barrier()
    this.owner?.unmap()
    this.#stage.barrier()
  }
}
