/** A copy within one file that grows it went on past the EOF it began with, and ranges past EOF counted as overlap. */
import { expect } from 'chai'
import { copyFileRange } from '../../lib/fs/copy-range.js'
import { machineOf } from '../../lib/fs/pmem.js'
import { PAGE, Pool } from '../fault/pool.js'
import { requireUserfaultfd } from '../support/require-uffd.js'

const MIB = 2 ** 20

describe('copy_file_range within one file', () => {
  before(function () {
    requireUserfaultfd(this)
  })

  it('ends at the EOF it began with', () => {
    const pool = new Pool()
    const file = pool.holes(0)
    file.write(Buffer.alloc(MIB + 1, 7), 0)
    const machine = machineOf(pool.pmem)
    expect(copyFileRange(machine, file.inode, 1, file.inode, 2 * MIB, MIB + PAGE)).to.equal(MIB)
    expect(file.size).to.equal(3 * MIB)
    pool.close()
  })

  it('overlaps only by what there is to copy', () => {
    const pool = new Pool()
    const file = pool.data(2)
    const machine = machineOf(pool.pmem)
    expect(copyFileRange(machine, file.inode, PAGE, file.inode, 2 * PAGE, 8 * PAGE)).to.equal(PAGE)
    expect(copyFileRange(machine, file.inode, 0, file.inode, PAGE, 2 * PAGE)).to.equal(-22)
    pool.close()
  })
})
