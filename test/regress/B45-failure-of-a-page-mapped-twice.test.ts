/** A page that fails is in one page table and not yet in another: both mappings answer with SIGBUS, and nobody dies. */
import { expect } from 'chai'
import { memoryFailure } from '../../lib/dax/memory-failure.js'
import { PAGE, Space } from '../fs/vm-space.js'
import { requireUserfaultfd } from '../support/require-uffd.js'

describe('a memory failure of a page that is mapped twice', () => {
  before(function () {
    requireUserfaultfd(this)
  })

  it('B45, K97, K99: is a SIGBUS in both mappings, though one of them never had the page', () => {
    for (const touched of [0, 1]) {
      const space = new Space()
      const file = space.data(2)
      file.sync()
      const mappings = [space.map(file, 2 * PAGE), space.map(file, 2 * PAGE)]
      expect(space.load(mappings[touched] as number)).to.equal(16)
      const pfn = file.stat().extents[0]?.pfn ?? 0
      expect(memoryFailure(space.machine, pfn)).to.equal(0)
      expect(mappings.map((address) => space.load(address))).to.deep.equal(['SIGBUS', 'SIGBUS'])
      expect(mappings.map((address) => space.load(address + PAGE))).to.deep.equal([17, 17])
      space.close()
    }
  })
})
