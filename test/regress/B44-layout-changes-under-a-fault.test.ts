/** Blocks are taken away only when nobody works on their pages any more: here, when no fault on them is served. */
import { expect } from 'chai'
import { machineOf } from '../../lib/fs/pmem.js'
import { PAGE, Pool } from '../fault/pool.js'
import { requireUserfaultfd } from '../support/require-uffd.js'

describe('changing the layout of a file while a fault is being served', () => {
  before(function () {
    requireUserfaultfd(this)
  })

  it('B44, S3.2, K84: punch, zero, collapse and insert wait for it', () => {
    for (const mode of ['punch', 'zero', 'collapse', 'insert'] as const) {
      const pool = new Pool()
      const machine = machineOf(pool.pmem)
      const { words } = machine
      const file = pool.data(4)
      const worker = { ...machine, self: machine.threads.attach(0) }
      machine.locking.beginFault(worker, file.inode, 1, 1, false)
      const before = file.stat().extents
      const wait = words.wait.bind(words)
      let seen: unknown = 'it did not wait'
      words.wait = (at, expected, timeout) => {
        words.wait = wait
        seen = file.stat().extents
        machine.locking.endFault(worker, file.inode)
        return wait(at, expected, timeout)
      }
      file.fallocate({ mode, offset: PAGE, length: PAGE })
      expect(seen, mode).to.deep.equal(before)
      machine.threads.detach(worker.self)
      pool.close()
    }
  })
})
