/**
 * 1. Main mounts; Worker A attaches, maps, stores.
 * 2. A exits without close. Its exit hook signals the stop event of the mount.
 * 3. The fault workers, which serve everybody, leave.
 * 4. Main stores to a page it has not touched: the fault is read by nobody.
 *
 * Failed by: a hang in step 4. Also: A's mapping and thread record stayed, so main's close was not the last one.
 */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { expect } from 'chai'
import { mount } from '../../lib/index.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { temporaryDirectory } from '../support/temp.js'

const INDEX = new URL('../../lib/index.js', import.meta.url).href

describe('regress: a thread that exits without close', () => {
  it('does not stop the fault workers of the others', async function () {
    requireUserfaultfd(this)
    const pmem = mount(temporaryDirectory())
    const file = pmem.open('a.pm', { create: true, size: 1 << 20 })
    const script = `import('${INDEX}').then(({ attach }) => {
      const pmem = attach(require('node:worker_threads').workerData)
      new Uint8Array(pmem.open('a.pm').mmap().buffer)[0] = 1
      process.exit() })`
    await once(new Worker(script, { eval: true, workerData: pmem.handle }), 'exit')
    expect(pmem.stats().memory).to.include({ liveMappings: 0, threads: 3 })
    const map = file.mmap()
    map.tryWrite(40960, Uint8Array.of(2))
    expect([...map.tryRead(40960, 2)]).to.deep.equal([2, 0])
    const { root } = pmem
    pmem.close()
    mount(root).close()
  })
})
