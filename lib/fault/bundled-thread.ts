/** The thread of a fault worker whose modules are one file: fault-thread.ts does the same with modules. */
import { fileURLToPath } from 'node:url'
import { loadBundle } from './bundle.js'
import { startFailed } from './start-failed.js'

type Program = (require: (name: string) => unknown, filename: string) => void

const at = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

/**
 * The addon as `require` would load it, which for one file looks for packages and their kinds all the way up: 1.5 ms of
 * a start of 15. Nobody else loads it in this thread.
 */
function requireAddon(path: string): unknown {
  const module = { exports: {} }
  process.dlopen(module, path)
  return module.exports
}

/** Node's own modules are all that the bundle requires; `node:module` only for the addon. */
function builtin(name: string): unknown {
  return name === 'node:module' ? { createRequire: () => requireAddon } : process.getBuiltinModule(name)
}

try {
  const bundle = at('./fault-worker.cjs')
  const program = loadBundle(bundle, at('./fault-worker.cache')).runInThisContext() as Program
  program(builtin, bundle)
} catch (error) {
  startFailed(error)
}
