/** Bytes of the cache that a call has changed, and media has to follow: now, or with the next sync. */
import { Page } from '../constants.js'
import type { Kernel } from '../dax/kernel.js'
import { noteUnfenced } from '../dax/unfenced-writes.js'
import type { Errno } from '../errors.js'

/**
 * Zero bytes of one page on media that were zeroed in the cache before. Where the cache has them it is by the line,
 * with what was stored to the rest of it (dax_zero_range: memset, then flush): zeroes alone would pass those stores by,
 * and a power failure would leave the line as it never was.
 *
 * Context: exclusive range and i_rwsem held, nobody works on the entry. Return: 0 or -errno of the media.
 */
export function zeroOnMedia(kernel: Kernel, inode: number, from: number, to: number): Errno {
  const { media, pending, inodes } = kernel
  const size = inodes.sizeOf(inode)
  const length = Math.min(to, size) - from
  if (length <= 0) return 0
  if (!media.isCached(inode, from, length)) return media.zeroMedia(inode, from, length)
  const first = from - (from % Page.LineSize)
  const end = Math.ceil((from + length) / Page.LineSize) * Page.LineSize
  return pending.supersede(inode, first, end - first, () => media.writeback(inode, first, end - first, size))
}

/**
 * Have the next sync write what the cache holds of bytes [from, to), as if write(2) had put it there.
 *
 * Context: exclusive range and i_rwsem held; takes ilock. When there is no record to note it in, it is written at once;
 * when that fails too, the next sync of each open says so.
 */
export function keepBytes(kernel: Kernel, inode: number, from: number, to: number): void {
  const { media, inodes, pending } = kernel
  const end = Math.min(to, inodes.sizeOf(inode))
  for (let at = from; at < end; at = (Math.floor(at / Page.Size) + 1) * Page.Size) {
    const length = Math.min(end, (Math.floor(at / Page.Size) + 1) * Page.Size) - at
    if (!media.isCached(inode, at, length) || noteUnfenced(kernel, inode, at, length) >= 0) continue
    const first = at - (at % Page.LineSize)
    const lines = Math.ceil((at + length) / Page.LineSize) * Page.LineSize - first
    const error = pending.supersede(inode, first, lines, () =>
      media.writeback(inode, first, lines, inodes.sizeOf(inode)),
    )
    if (error < 0) inodes.recordError(inode, -error)
  }
}
