/** msync. */
import { Page } from '../../constants.js'
import { ErrorNumber, type Errno } from '../../errors.js'
import type { Machine } from '../../fault/machine.js'
import { VmaFlag } from '../../mm/vma.js'
import { syncRange } from '../sync.js'
import { MsyncFlag, TASK_SIZE, isPageAligned, pageAlign } from './abi.js'
import { findVma } from './address-space.js'

/**
 * msync(2). MS_SYNC writes back the range of each file that is mapped there to be shared; MS_ASYNC, MS_INVALIDATE and
 * no flag do nothing on DAX (FACTS 6). MS_INVALIDATE is never EBUSY: nothing is ever locked (FACTS 22).
 *
 * Context: holds no lock; sleeps over host writes.
 * Return: 0 or -errno: EINVAL (flags, alignment), ENOMEM (a part is not mapped; what is, was written all the same),
 * EIO…
 */
export function vmMsync(machine: Machine, address: number, length: number, flags: number): Errno {
  const both = MsyncFlag.Async | MsyncFlag.Sync
  if ((flags & ~MsyncFlag.All) !== 0 || !isPageAligned(address) || (flags & both) === both) return -ErrorNumber.EINVAL
  const end = address + pageAlign(length)
  if (end > 2 ** 64) return -ErrorNumber.ENOMEM
  if (end === address) return 0
  return syncMapped(machine, address, end, flags)
}

function syncMapped(machine: Machine, start: number, end: number, flags: number): Errno {
  const { vmas } = machine
  let unmapped: Errno = 0
  for (let at = start; at < end;) {
    const vma = at > TASK_SIZE ? 0 : findVma(machine, at)
    if (vma === 0) return -ErrorNumber.ENOMEM
    if (vmas.addressOf(vma) > at) {
      if (flags === MsyncFlag.Async || vmas.addressOf(vma) >= end) return -ErrorNumber.ENOMEM
      at = vmas.addressOf(vma)
      unmapped = -ErrorNumber.ENOMEM
    }
    const to = Math.min(end, vmas.endOf(vma))
    if ((flags & MsyncFlag.Sync) !== 0 && (vmas.flagsOf(vma) & VmaFlag.Shared) !== 0) {
      const first = vmas.pgoffOf(vma) + (at - vmas.addressOf(vma)) / Page.Size
      const error = syncRange(machine, vmas.inodeOf(vma), first, first + (to - at) / Page.Size - 1)
      if (error < 0) return error
    }
    at = to
  }
  return unmapped
}
