/** What mount option dirtyTracking: 'async' asks of the host: a userfaultfd with WP_ASYNC, and PAGEMAP_SCAN. */
import { addon } from '../binding/load.js'
import { Page } from '../constants.js'
import { PmemError, errnoName } from '../errors.js'

/** Has the kernel what it takes, for whoever asks before a mount? Context: opens and closes a userfaultfd. */
export function hasAsyncTracking(): boolean {
  const bit = addon.userfaultfdFeatures().find(({ name }) => name === 'WP_ASYNC')?.bit ?? Infinity
  const features = addon.probeUserfaultfd().find(({ ok }) => ok)?.features ?? 0
  return Math.floor(features / bit) % 2 === 1
}

/**
 * The userfaultfd of mappings that are tracked asynchronously. uffd: the first of the mount, whose fate it shares.
 * Errors: ENOTSUP before Linux 6.7.
 */
export function openAsyncTracking(uffd: number): number {
  const { fd } = addon.openAsyncUserfaultfd()
  addon.ownUserfaultfd(uffd, fd)
  const runs = new Float64Array(2)
  const address = addon.addressOf(runs)
  const error = addon.writtenPages(address - (address % Page.Size), Page.Size, runs)
  if (error >= 0) return fd
  addon.closeFd(fd)
  const reason = "dirtyTracking: 'async' needs the PAGEMAP_SCAN of Linux 6.7 on /proc/self/pagemap"
  throw new PmemError('ENOTSUP', 'mount', `${reason} (${errnoName(error)})`)
}
