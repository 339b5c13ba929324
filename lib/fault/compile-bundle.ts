/**
 * Run by the build and by npm's install script: compiles the bundle of the fault worker (bundle.ts) for this version of
 * Node. Nothing depends on it but how long a mount takes, so nothing fails when it fails.
 */
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { writeCode } from './bundle.js'

const at = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

// Every function, not only those that run first. V8 keeps the flags beside the code: it must find its defaults again.
setFlagsFromString('--no-lazy')
try {
  writeCode(at('./fault-worker.cjs'), at('./fault-worker.cache'), () => setFlagsFromString('--lazy'))
} catch (error) {
  process.stderr.write(`faultline: mounting will be slower: ${String(error)}\n`)
}
