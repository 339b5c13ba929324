/** One thread of the traced program: runs its operations, and adds to what all threads share. */
import type { Pmem } from '../../lib/index.js'
import { Prng } from '../../lib/prng.js'
import { SHARED_BYTES, nextOperation, tracedMemory } from './traced-program.js'

export const FILE = 'traced.pm'
export const SOURCE = 'source.pm'

/** Run operations; `now` is called after each few of them. */
export function runTracedThread(
  pmem: Pmem,
  seed: number,
  thread: number,
  operations: number,
  now: () => void = () => undefined,
): void {
  const file = pmem.open(FILE)
  const map = file.mmap()
  const memory = tracedMemory(map, file, pmem.open(SOURCE))
  const prng = new Prng(seed + thread)
  const disorder = new Prng(seed + 1000 + thread)
  const words = new Int32Array(map.buffer)
  for (let i = 0; i < operations; i++) {
    pmem.mark(`${thread} ${i}`)
    nextOperation(prng, thread).run(memory)
    if (disorder.chance(0.2)) Atomics.add(words, 0, 1)
    // Whoever comes last: the records must agree with memory on who that was.
    if (disorder.chance(0.2)) words[1 + disorder.below(SHARED_BYTES / 4 - 1)] = disorder.below(2 ** 30)
    if (disorder.chance(0.01)) map.flush(4096, 8192)
    if (disorder.chance(0.01)) pmem.fence()
    if (disorder.chance(0.002)) map.msync(0, 8192)
    if (i % 1024 === 1023) now()
  }
  pmem.mark(`${thread} end`)
}
