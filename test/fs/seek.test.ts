/** SEEK_DATA and SEEK_HOLE: what the block map says, and what the entry tree adds to it. */
import { expect } from 'chai'
import type { DaxFile } from '../../lib/index.js'
import { errnoName } from '../../lib/errors.js'
import { machineOf } from '../../lib/fs/pmem.js'
import { seekFile } from '../../lib/fs/seek.js'
import { PAGE, Pool, bytes } from '../fault/pool.js'
import { requireUserfaultfd } from '../support/require-uffd.js'

describe('seek', () => {
  let pool: Pool
  let file: DaxFile

  before(function () {
    requireUserfaultfd(this)
  })
  beforeEach(() => {
    pool = new Pool({ hugePages: false, faultWorkers: 1 })
    file = pool.holes(8)
  })
  afterEach(() => {
    pool.close()
  })

  function seek(offset: number, whence: 'data' | 'hole'): number | string {
    const result = seekFile(machineOf(pool.pmem), file.inode, offset, whence)
    return result < 0 ? errnoName(result) : result
  }
  const data = (offset: number): number | string => seek(offset, 'data')
  const hole = (offset: number): number | string => seek(offset, 'hole')

  it('finds data and holes from any byte on, and EOF as a hole', () => {
    file.write(Buffer.alloc(2 * PAGE, 1), 2 * PAGE)
    expect([data(0), data(2 * PAGE + 5), hole(0), hole(2 * PAGE + 5)]).to.deep.equal([
      2 * PAGE,
      2 * PAGE + 5,
      0,
      4 * PAGE,
    ])
    expect([data(4 * PAGE), hole(5 * PAGE + 1)]).to.deep.equal(['ENXIO', 5 * PAGE + 1])
    file.write(Buffer.alloc(10, 1), 8 * PAGE)
    expect([hole(8 * PAGE + 3), data(4 * PAGE)]).to.deep.equal([8 * PAGE + 10, 8 * PAGE])
  })

  it('is ENXIO at EOF, past it and before the file', () => {
    expect([data(8 * PAGE), hole(8 * PAGE), hole(2 ** 40), data(-1)]).to.deep.equal(Array(4).fill('ENXIO'))
  })

  it('takes a hole that was loaded for a hole: its zero entry stands for no block', () => {
    expect(bytes(file.mmap())[PAGE]).to.equal(0)
    expect([data(0), hole(PAGE)]).to.deep.equal(['ENXIO', PAGE])
  })

  it('FACTS 17: an unwritten block is data once it was loaded through a mapping', () => {
    file.fallocate({ offset: 0, length: 4 * PAGE })
    expect([data(0), hole(0)]).to.deep.equal(['ENXIO', 0])
    expect(bytes(file.mmap())[2 * PAGE]).to.equal(0)
    expect([data(0), hole(2 * PAGE)]).to.deep.equal([2 * PAGE, 3 * PAGE])
  })

  it('follows stores, punches and collapses', () => {
    const view = bytes(file.mmap())
    view[3 * PAGE] = 1
    expect([data(0), hole(3 * PAGE)]).to.deep.equal([3 * PAGE, 4 * PAGE])
    file.fallocate({ mode: 'collapse', offset: 0, length: 2 * PAGE })
    expect([data(0), hole(PAGE)]).to.deep.equal([PAGE, 2 * PAGE])
    file.fallocate({ mode: 'punch', offset: 0, length: 6 * PAGE })
    expect(data(0)).to.equal('ENXIO')
  })
})
