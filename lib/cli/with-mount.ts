/** A mount for the time of one piece of work. */
import type { MountOptions } from '../config.js'
import { type Pmem, mount } from '../fs/mount.js'

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
