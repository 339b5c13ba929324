/** t_mmap_stale_pmd of xfstests: a huge zero page is mapped, then write(2) fills a part of the hole. */
import { expect } from 'chai'
import { HUGE, PAGE, Prot, Space } from '../fs/vm-space.js'
import { requireUserfaultfd } from '../support/require-uffd.js'

describe('a write into 2 MiB that are mapped as a hole', () => {
  before(function () {
    requireUserfaultfd(this)
  })

  it('B18, T13, K81: unmaps the huge zero page with its entry; the next load sees the bytes', () => {
    const space = new Space()
    const file = space.file(2 * HUGE)
    const address = space.map(file, HUGE, { offset: HUGE, prot: Prot.Read })
    expect(space.load(address)).to.equal(0)
    expect(space.pages(address, HUGE)).to.equal('Z*512,')
    file.write(Buffer.alloc(PAGE, 7), HUGE)
    expect([file.stat().entries, space.pages(address, HUGE)]).to.deep.equal([{}, '.*512,'])
    expect([space.load(address), space.load(address + PAGE)]).to.deep.equal([7, 0])
    space.close()
  })
})
