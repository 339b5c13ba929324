/**
 * 1. A Worker is terminated inside close(): it has given back some of what a file had, which still counts as live.
 * 2. Main goes on: crash(), sync() and verify() use descriptors and memory that are gone.
 * 3. Main closes, the last one: it closes what is left of each file, and then gives the pool back.
 *
 * Failed by: EBADF in step 2; EBADF in step 3, and EBUSY for who mounts the pool next (`fs/ends`, 'a Worker while
 * closing').
 */
import { expect } from 'chai'
import { type DaxFile, mount } from '../../lib/index.js'
import { machineOf } from '../../lib/fs/pmem.js'
import { PAGE, Pool } from '../fault/pool.js'
import { requireUserfaultfd } from '../support/require-uffd.js'

describe('regress: a thread that was terminated while it dropped a file', () => {
  before(function () {
    requireUserfaultfd(this)
  })

  for (const call of ['unmap', 'closeFd'] as const) {
    for (const nth of [1, 2]) {
      for (const when of ['before', 'after']) {
        it(`leaves a mount that works and a pool that can be mounted: ${when} the ${nth}. ${call}`, () => {
          const pool = new Pool()
          const kept = pool.data(2, 'kept.pm')
          const file = pool.data(2)
          const { addon } = machineOf(pool.pmem)
          const original = addon[call].bind(addon) as (...args: unknown[]) => void
          let count = 0
          const terminate = (...args: unknown[]): void => {
            const isNow = ++count === nth
            if (!isNow || when === 'after') original(...args)
            if (isNow) throw new Error('terminated')
          }
          Object.assign(addon, { [call]: terminate })
          try {
            expect(() => {
              file.close()
            }).to.throw('terminated')
          } finally {
            Object.assign(addon, { [call]: original })
          }
          pool.pmem.crash()
          pool.pmem.sync()
          expect(byteOf(kept, PAGE)).to.equal(17)
          expect(byteOf(pool.pmem.open('a.pm'), PAGE)).to.equal(17)
          pool.pmem.close()
          mount(pool.path).close()
        })
      }
    }
  }
})

function byteOf(file: DaxFile, offset: number): number | undefined {
  return file.mmap().tryRead(offset, 1)[0]
}
