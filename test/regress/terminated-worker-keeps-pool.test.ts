/**
 * 1. Main mounts (users: 1); Worker A attaches (users: 2).
 * 2. Main terminates A. No exit hook runs in a terminated thread.
 * 3. Main closes (users: 1): not the last one, it seems.
 *
 * Failed by: the pool stayed locked by this process for ever (EBUSY), stores of main never written back.
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { expect } from 'chai'
import { mount } from '../../lib/index.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { temporaryDirectory } from '../support/temp.js'

const INDEX = new URL('../../lib/index.js', import.meta.url).href

describe('regress: a thread that was terminated', () => {
  it('does not keep the pool mounted', async function () {
    requireUserfaultfd(this)
    const pmem = mount(temporaryDirectory())
    new Uint8Array(pmem.open('a.pm', { create: true, size: 4096 }).mmap().buffer)[0] = 9
    const script = `import('${INDEX}').then(({ attach }) => {
      const { workerData, parentPort } = require('node:worker_threads')
      const bytes = new Uint8Array(attach(workerData).open('a.pm').mmap().buffer)
      parentPort.postMessage(bytes[0])
      setInterval(() => bytes[1]++, 1) })`
    const worker = new Worker(script, { eval: true, workerData: pmem.handle })
    expect(await once(worker, 'message')).to.deep.equal([9])
    await worker.terminate()
    const { root } = pmem
    pmem.close()
    expect(readFileSync(join(root, 'a.pm'))[0]).to.equal(9)
    mount(root).close()
  })
})
