/**
 * B29, by another way. Unmapping spares the copies of private mappings: it looks which pages are the file's own and
 * drops those. A store to the private mapping that came between the look and the drop made a copy, and the drop took
 * it. Only callers that held the entry or the whole range were safe; write(2), and the split of a 2 MiB page, held
 * neither.
 *
 *   1. Thread B has the zero page of a hole in its private mapping.
 *   2. Thread A writes to the hole: the page must be unmapped, A finds that it is the file's.
 *   3. B stores: the fault makes a copy.
 *   4. A drops the page.
 *
 * Failed by: B's store was gone. Found by `faultline stress --workload holetest`.
 */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { expect } from 'chai'
import type { Addon } from '../../lib/binding/addon.js'
import { machineOf } from '../../lib/fs/pmem.js'
import { mount } from '../../lib/index.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { temporaryDirectory } from '../support/temp.js'

/** Long for a fault, short for people. */
const WINDOW_MS = 500

describe('regress: private copy against unmap (B29)', () => {
  it('is never dropped', async function () {
    requireUserfaultfd(this)
    using pmem = mount(temporaryDirectory(), { capacity: '16MiB' })
    const file = pmem.open('a', { create: true, size: 4096 })
    const words = new SharedArrayBuffer(16)
    const flags = new Int32Array(words)
    const worker = new Worker(new URL('./private-copy-against-unmap.fixture.js', import.meta.url), {
      workerData: { handle: pmem.handle, words },
    })
    const gone = once(worker, 'exit')
    await once(worker, 'online')
    Atomics.wait(flags, 0, 0)

    const addon = machineOf(pmem).addon as { pageTableEntries: Addon['pageTableEntries'] }
    const real = addon.pageTableEntries
    let looks = 0
    addon.pageTableEntries = (address, length, out) => {
      const found = real(address, length, out)
      if (looks++ === 0) {
        Atomics.store(flags, 0, 2)
        Atomics.notify(flags, 0)
        Atomics.wait(flags, 1, 0, WINDOW_MS)
      }
      return found
    }
    try {
      file.write(Buffer.of(1), 100)
    } finally {
      addon.pageTableEntries = real
    }
    expect(looks, 'looks at page tables').to.be.at.least(1)
    Atomics.wait(flags, 1, 0)
    Atomics.store(flags, 2, 1)
    Atomics.notify(flags, 2)
    await gone
    expect(Atomics.load(flags, 3), 'what the private mapping shows').to.equal(7)
  })
})
