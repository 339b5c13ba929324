/** write(2) into a hole while somebody loads it: the hole's entry that the load makes must go, whenever it was made. */
import { expect } from 'chai'
import { machineOf } from '../../lib/fs/pmem.js'
import { PAGE, Pool, bytes } from '../fault/pool.js'
import { requireUserfaultfd } from '../support/require-uffd.js'

describe('a write into a hole that is loaded meanwhile', () => {
  before(function () {
    requireUserfaultfd(this)
  })

  it('B12, K104: leaves no zero entry over the new blocks', () => {
    const pool = new Pool()
    const { inodes } = machineOf(pool.pmem)
    const file = pool.holes(4)
    const view = bytes(file.mmap())
    expect(view[2 * PAGE]).to.equal(0)
    const setFlags = inodes.setFlags.bind(inodes)
    const seen: number[] = []
    // The first block of the write is there, the second is not.
    inodes.setFlags = (inode, flags) => {
      inodes.setFlags = setFlags
      seen.push(view[2 * PAGE] as number)
      setFlags(inode, flags)
    }
    file.write(Buffer.alloc(2 * PAGE, 5), PAGE)
    expect(seen, 'a hole at that moment').to.deep.equal([0])
    expect(file.stat().entries, 'nothing says hole any more').to.deep.equal({})
    expect([view[PAGE], view[2 * PAGE]]).to.deep.equal([5, 5])
    pool.close()
  })
})
