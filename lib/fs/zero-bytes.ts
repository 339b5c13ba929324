/** Zeroing bytes of the cache, such that nothing flushed before can bring the old ones back. */
import { Page } from '../constants.js'
import type { Errno } from '../errors.js'
import type { Kernel } from '../dax/kernel.js'

/**
 * Zero [from, to) in the cache, where it holds the pages, and renew what is on its way to media of these lines: a line
 * that keeps bytes outside the range is flushed anew, for those must still be made durable by that fence; the others
 * are forgotten.
 *
 * Context: exclusive range or i_rwsem held. Return: 0 or -errno of a media write that took place.
 */
export function zeroBytes(kernel: Kernel, inode: number, from: number, to: number): Errno {
  const { pending, self, media } = kernel
  const zeroed = media.zeroCache(inode, from, to - from)
  if (zeroed < 0) return zeroed
  pending.dropRange(inode, from, to)
  for (const offset of [from, to - 1]) {
    const pgoff = Math.floor(offset / Page.Size)
    const line = Math.floor((offset % Page.Size) / Page.LineSize)
    if (!pending.has(inode, pgoff, line)) continue
    const error = pending.flush(self, inode, pgoff, line)
    if (error < 0) return error
  }
  return 0
}
