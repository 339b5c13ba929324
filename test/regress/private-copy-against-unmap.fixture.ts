/** A thread that stores to a private mapping of its own when it is told to. Words: told, stored, load again, value. */
import { workerData } from 'node:worker_threads'
import { type MountHandle, attach } from '../../lib/index.js'

const { handle, words } = workerData as { handle: MountHandle; words: SharedArrayBuffer }
const flags = new Int32Array(words)

using pmem = attach(handle)
const bytes = new Uint8Array(pmem.open('a').mmap({ length: 4096, sharing: 'private' }).buffer)
// The zero page is mapped.
Atomics.store(flags, 3, bytes[0] as number)
Atomics.store(flags, 0, 1)
Atomics.notify(flags, 0)
Atomics.wait(flags, 0, 1)
bytes[0] = 7
Atomics.store(flags, 1, 1)
Atomics.notify(flags, 1)
Atomics.wait(flags, 2, 0)
Atomics.store(flags, 3, bytes[0])
