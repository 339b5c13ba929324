/** Which file the thread of a fault worker is started from. */
import { statSync } from 'node:fs'

/**
 * fault-thread.js with all it imports as one file, which starts in half the time of its hundred modules; the build
 * makes it. Not so when tsc was run by itself since: its notes are newer then (they are not published). Coverage is of
 * modules.
 */
export function threadFile(): URL {
  const modules = new URL('./fault-thread.js', import.meta.url)
  const bundle = new URL('./fault-thread.cjs', import.meta.url)
  if (process.env['NODE_V8_COVERAGE'] !== undefined) return modules
  const bundled = statSync(bundle, { throwIfNoEntry: false })
  const compiled = statSync(new URL('../../.tsbuildinfo', import.meta.url), { throwIfNoEntry: false })
  if (bundled === undefined) return modules
  return compiled === undefined || compiled.mtimeMs <= bundled.mtimeMs ? bundle : modules
}
