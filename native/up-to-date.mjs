// Whether something that was made is newer than all it was made of.
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** product: a file; sources: files and directories. No product is not up to date; a missing source is an error. */
export function upToDate(product, sources) {
  const made = statSync(product, { throwIfNoEntry: false })
  return made !== undefined && sources.every((source) => newest(source) <= made.mtimeMs)
}

/** The time of a directory counts too: it tells of what was removed. */
function newest(path) {
  const status = statSync(path)
  if (!status.isDirectory()) return status.mtimeMs
  return Math.max(status.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))))
}
