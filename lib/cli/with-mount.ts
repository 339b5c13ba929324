/** A mount for the time of one piece of work. */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import type { MountOptions } from '../config.js'
import { Page } from '../constants.js'
import { mount } from '../fs/mount.js'
import type { Pmem } from '../fs/pmem.js'
import { listPool } from '../fs/pool-directory.js'

const CAPACITY_MIN = 2 ** 30

/** Whatever the pool was made with: enough for what is in it. */
export function capacityFor(pool: string): number {
  const bytes = listPool(pool).reduce((sum, name) => sum + statSync(join(pool, name)).blocks * 512, 0)
  return Math.max(CAPACITY_MIN, Math.ceil((2 * bytes) / Page.Size) * Page.Size)
}

/**
 * Mount, work, close. Errors: those of mount, of the work, of close; when the work fails, what close says is a
 * consequence and is not told.
 */
export async function withMount<Result>(
  pool: string,
  options: MountOptions,
  work: (pmem: Pmem) => Result | Promise<Result>,
): Promise<Result> {
  const pmem = mount(pool, options)
  let result: Result
  try {
    result = await work(pmem)
  } catch (error) {
    closeQuietly(pmem)
    throw error
  }
  pmem.close()
  return result
}

function closeQuietly(pmem: Pmem): void {
  try {
    pmem.close()
  } catch {
    // The first error is the one to tell.
  }
}
