/**
 * crash(), verify() and sync() went over all files of the mount, while another thread closed one of them: they used
 * its descriptors, which were anybody's by then (EBADF; "readUnlock without a reader").
 *
 * Here the file is closed, in the same thread, by what the walk calls for the file before it.
 */
import { expect } from 'chai'
import { type DaxFile, attach } from '../../lib/index.js'
import { machineOf } from '../../lib/fs/pmem.js'
import { PAGE, Pool } from '../fault/pool.js'
import { requireUserfaultfd } from '../support/require-uffd.js'

describe('regress: a file that is closed while all files are walked over', () => {
  let pool: Pool

  before(function () {
    requireUserfaultfd(this)
  })
  beforeEach(() => (pool = new Pool()))
  afterEach(() => {
    pool.close()
  })

  for (const call of ['crash', 'verify', 'sync'] as const) {
    it(`${call} meets it whole`, () => {
      const first = pool.data(2, 'a.pm')
      const other = attach(pool.pmem.handle)
      const second = other.open('b.pm', { create: true, size: 2 * PAGE })
      const machine = machineOf(pool.pmem)
      let isHeld: boolean | undefined
      const closing = (): void => {
        if (isHeld !== undefined) return
        second.close()
        isHeld = machine.inodes.isLive(second.inode)
      }
      // What each of them calls for each file.
      hook(machine.locking, 'beginTruncate', closing, (locking) => Object.assign(machine, { locking }))
      hook(machine.threads, 'count', closing, (threads) => Object.assign(machine, { threads }))
      pool.pmem[call]()
      expect(isHeld, 'while all are walked over').to.equal(true)
      expect(byteOf(first, 0)).to.equal(16)
      expect(pool.pmem.stats().memory.inodes, 'the file went after all').to.equal(1)
      other.close()
      pool.pmem.verify()
    })
  }
})

/** Put an object in the place of another that does something before one of its methods. */
function hook<Target extends object>(
  target: Target,
  name: keyof Target,
  work: () => void,
  put: (hooked: Target) => void,
): void {
  const original = target[name] as (...args: unknown[]) => unknown
  const value = (...args: unknown[]): unknown => {
    work()
    return original.apply(target, args)
  }
  put(Object.create(target, { [name]: { value } }) as Target)
}

function byteOf(file: DaxFile, offset: number): number | undefined {
  return file.mmap().tryRead(offset, 1)[0]
}
