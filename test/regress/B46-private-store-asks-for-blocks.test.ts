/** A store to a private mapping reads the file and no more: it works where the file cannot be changed. */
import { expect } from 'chai'
import { InodeFlag } from '../../lib/mm/inode.js'
import { FILE_PAGES, CAPACITY_PAGES, mapFile, smallKernel } from '../support/small-kernel.js'

const FILE = 1
const PAGE = 4096

describe('a store to a private mapping', () => {
  it('B46, K31, S0.6: begins no change of the file: no block, no time, no dirty metadata', () => {
    const kernel = smallKernel()
    const copy = mapFile(kernel, FILE, false)
    kernel.pfns.reserve(CAPACITY_PAGES)
    for (let page = 0; page < FILE_PAGES; page++) kernel.pageTable.store(kernel, copy, page * PAGE, 1)
    kernel.pfns.unreserve(CAPACITY_PAGES)
    kernel.pageTable.store(kernel, mapFile(kernel, FILE, false), 0, 1)
    expect(kernel.pfns.freePages).to.equal(CAPACITY_PAGES)
    expect(kernel.inodes.hasFlags(FILE, InodeFlag.MetadataDirty)).to.equal(false)
    expect(kernel.inodes.hasFlags(FILE, InodeFlag.Dirty)).to.equal(false)
  })
})
