/**
 * The fault worker as one file, fault-worker.cjs, and what V8 made of it, fault-worker.cache.
 *
 * A mount waits for its fault workers, and half of what a worker does until it serves is to compile: its modules first,
 * then each function when it is first called, which the first fault would pay for. So the build puts the modules into
 * one file (an expression that is a function of CommonJS's names), and compile-bundle.ts has V8 compile all of it and
 * keeps the code beside it. Code is of one version of V8 and its flags: V8 looks, and compiles what it does not know.
 *
 *   fault-worker.cache   size and time of change of the bundle it was made of, 8 bytes each; V8's code
 *
 * V8 takes a source of the same length for the same, hence the time.
 */
import { closeSync, fstatSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { Script } from 'node:vm'

const HEAD_BYTES = 16
/** Nothing but comments is beyond ASCII, and a byte a character is the quickest to read. */
const ENCODING = 'latin1'

interface Bundle {
  readonly source: string
  readonly head: Float64Array
}

function readBundle(path: string): Bundle {
  const fd = openSync(path, 'r')
  try {
    const { size, mtimeMs } = fstatSync(fd)
    return { source: readFileSync(fd, ENCODING), head: Float64Array.of(size, mtimeMs) }
  } finally {
    closeSync(fd)
  }
}

/** The bundle, with code if there is some that fits. Errors: of the host when there is no bundle; SyntaxError. */
export function loadBundle(bundle: string, cache: string): Script {
  const { source, head } = readBundle(bundle)
  const cachedData = readCode(cache, head)
  return new Script(source, { filename: bundle, ...(cachedData === undefined ? {} : { cachedData }) })
}

function readCode(cache: string, head: Float64Array): Buffer | undefined {
  let bytes
  try {
    bytes = readFileSync(cache)
  } catch {
    return undefined
  }
  const fits = bytes.length > HEAD_BYTES && bytes.subarray(0, HEAD_BYTES).equals(new Uint8Array(head.buffer))
  return fits ? bytes.subarray(HEAD_BYTES) : undefined
}

/** compiled: called between compiling and asking for the code. Errors: of the host; SyntaxError. */
export function writeCode(bundle: string, cache: string, compiled: () => void): void {
  const { source, head } = readBundle(bundle)
  const script = new Script(source, { filename: bundle })
  compiled()
  const code = script.createCachedData()
  const unfinished = `${cache}.${process.pid}`
  writeFileSync(unfinished, Buffer.concat([new Uint8Array(head.buffer), code]))
  renameSync(unfinished, cache)
}
