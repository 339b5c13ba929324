/** The locking policies by the name the mount option `locking` gives them. */
import type { LockingName } from '../config.js'
import { entryLocking } from './entry-locking.js'
import { inodeLocking } from './inode-locking.js'
import type { LockingPolicy } from './locking.js'
import { rangeLocking } from './range-locking.js'

export const LOCKING_POLICIES: Readonly<Record<LockingName, LockingPolicy>> = {
  entry: entryLocking,
  range: rangeLocking,
  inode: inodeLocking,
}
