/** Which file a thread of a mount is started from. */
import { statSync } from 'node:fs'

/**
 * modules: where the thread is as a module. Return: the same with all it imports as one file, which starts in half the
 * time of its hundred modules; the build makes it (bundle.ts). Not so when tsc was run by itself since: its notes are
 * newer then (they are not published). Coverage is of modules.
 */
export function threadFile(modules: URL): URL {
  const bundle = new URL(modules.href.replace(/\.js$/, '.cjs'))
  if (process.env['NODE_V8_COVERAGE'] !== undefined) return modules
  const bundled = statSync(bundle, { throwIfNoEntry: false })
  const compiled = statSync(new URL('../../.tsbuildinfo', import.meta.url), { throwIfNoEntry: false })
  if (bundled === undefined) return modules
  return compiled === undefined || compiled.mtimeMs <= bundled.mtimeMs ? bundle : modules
}
