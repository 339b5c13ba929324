/** Answering an access with SIGBUS. */
import type { Addon } from '../binding/addon.js'
import { Page } from '../constants.js'
import type { Errno } from '../errors.js'

/** writeProtect: lift the protection and wake nobody; compared by test/unit/binding/addon.test.ts. */
const OFF_UNWOKEN = 2

/**
 * Let the page that is being accessed, and every later access until it is dropped again, be a SIGBUS.
 *
 * address: of the page. keep: the page is a private copy, which is never dropped.
 * Context: the entry is locked, or the mount is dead. Return: 0 or -errno.
 */
export function poisonPage(addon: Addon, uffd: number, address: number, keep = false): Errno {
  if (!keep) addon.dropPages(address, Page.Size)
  // What was protected leaves a marker behind when it is dropped, and poison is refused over one: the access would
  // fault for ever. Lifting the protection of nothing takes the marker away; the wake comes when all is done.
  addon.writeProtect(uffd, address, Page.Size, OFF_UNWOKEN)
  const error = addon.resolvePoison(uffd, address, Page.Size, 0)
  addon.wakeRange(uffd, address, Page.Size)
  return error < 0 ? error : 0
}
