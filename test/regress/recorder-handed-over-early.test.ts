/**
 *  1  thread A stops its recording: the mount may be recorded again, and A begins to read the rest of the log
 *  2  thread B starts a recording, which begins the log anew
 *  3  A reads on in what B overwrites: from the middle of a record, whose length may be 0, so for ever
 *
 * Found by the fuzzer of the API, as a hang. Here the sink of A is thread B: it starts while A reads.
 */
import { expect } from 'chai'
import { PmemError, attach, mount } from '../../lib/index.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { temporaryDirectory } from '../support/temp.js'

describe('a recording that stops', () => {
  it('keeps the log until it has read the rest', function () {
    requireUserfaultfd(this)
    const pmem = mount(temporaryDirectory(), { stores: 'traced' })
    const other = attach(pmem.handle)
    const bytes = new Uint8Array(pmem.open('a.pm', { create: true, size: 4096 }).mmap().buffer)
    const none = { store: () => undefined, flush: () => undefined, fence: () => undefined, mark: () => undefined }
    const refused: unknown[] = []
    let stores = 0
    const recorder = pmem.recordStores({
      ...none,
      acknowledged: () => undefined,
      store: () => {
        stores++
        try {
          other.recordStores({ ...none, acknowledged: () => undefined })
        } catch (error) {
          refused.push(error instanceof PmemError ? error.code : error)
        }
      },
    })
    for (let i = 0; i < 10; i++) bytes[i] = i
    recorder.stop()
    expect(stores).to.equal(10)
    expect(refused).to.deep.equal(Array(10).fill('EBUSY'))
    other.recordStores({ ...none, acknowledged: () => undefined }).stop()
    pmem.close()
    other.close()
  })

  it('by its own sink is told nothing more, and may close the mount', function () {
    requireUserfaultfd(this)
    for (const end of ['stop', 'close'] as const) {
      const pmem = mount(temporaryDirectory(), { stores: 'traced' })
      const bytes = new Uint8Array(pmem.open('a.pm', { create: true, size: 4096 }).mmap().buffer)
      let stores = 0
      const nothing = (): undefined => undefined
      const recorder = pmem.recordStores({
        ...{ flush: nothing, fence: nothing, mark: nothing, acknowledged: nothing },
        store: () => {
          stores++
          if (end === 'stop') recorder.stop()
          else pmem.close()
        },
      })
      for (let i = 0; i < 10; i++) bytes[i] = i
      recorder.drain()
      expect(stores).to.equal(1)
      expect(recorder.isActive).to.equal(false)
      pmem.close()
    }
  })
})
