/** The thread of a fault worker whose modules are one file: fault-thread.ts does the same with modules. */
import { fileURLToPath } from 'node:url'
import { loadBundle } from './bundle.js'
import { startFailed } from './start-failed.js'

type Program = (require: (name: string) => unknown, filename: string) => void

const at = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

try {
  const bundle = at('./fault-worker.cjs')
  const program = loadBundle(bundle, at('./fault-worker.cache')).runInThisContext() as Program
  // Node's own modules are all it requires; the addon it finds itself.
  program((name) => process.getBuiltinModule(name), bundle)
} catch (error) {
  startFailed(error)
}
