/** t_mmap_fallocate of xfstests: bytes are stored to the last page as soon as the file has grown over them. */
import { expect } from 'chai'
import { machineOf } from '../../lib/fs/pmem.js'
import { PAGE, Pool, bytes } from '../fault/pool.js'
import { requireUserfaultfd } from '../support/require-uffd.js'

describe('a file that grows under its mapping', () => {
  before(function () {
    requireUserfaultfd(this)
  })

  it('B49, K102: keeps what is stored from the moment on that the size is the new one', () => {
    const pool = new Pool()
    const { inodes } = machineOf(pool.pmem)
    const file = pool.holes(1)
    file.truncate(100)
    const view = bytes(file.mmap({ length: PAGE }))
    view[99] = 1
    for (let size = 100; size < 164; size += 16) {
      const setSize = inodes.setSize.bind(inodes)
      inodes.setSize = (inode, now) => {
        inodes.setSize = setSize
        setSize(inode, now)
        view[size] = 9
      }
      file.fallocate({ offset: size, length: 16 })
      expect(file.size).to.equal(size + 16)
      expect([view[99], view[size], view[size + 1]]).to.deep.equal([1, 9, 0])
      file.sync()
      expect(pool.media(size)).to.deep.equal([9])
    }
    pool.close()
  })
})
