/** Who owns a page frame is asked by number, when its memory fails: all 512 of a 2 MiB entry must answer. */
import { expect } from 'chai'
import { PageOwner } from '../../lib/media/page-owners.js'
import { HUGE, PAGE, Space } from '../fs/vm-space.js'
import { requireUserfaultfd } from '../support/require-uffd.js'

describe('the pages of a 2 MiB entry', () => {
  before(function () {
    requireUserfaultfd(this)
  })

  it('B23, K54: all belong to the file, after a 4 KiB fault too, and to nobody when the entry is gone', () => {
    const space = new Space()
    const { pfns } = space.machine
    const file = space.file(0)
    file.write(Buffer.alloc(HUGE, 5), 0)
    const pfn = file.stat().extents[0]?.pfn ?? 0
    const owners = (): Set<string> => {
      const owner = new PageOwner()
      const all = Array.from({ length: 512 }, (_, page) => {
        return pfns.ownerOf(pfn + page, owner) ? `${owner.mapping}:${owner.pgoff - page}` : 'nobody'
      })
      return new Set(all)
    }
    const [huge, small] = [space.map(file, HUGE), space.map(file, HUGE, { misalign: PAGE })]
    expect(space.load(huge)).to.equal(5)
    expect(space.store(small + 7 * PAGE, 6)).to.equal('ok')
    expect(file.stat().entries).to.deep.equal({ D2M: 1 })
    expect([...owners()]).to.deep.equal([`${file.inode}:0`])
    file.fallocate({ mode: 'punch', offset: 0, length: HUGE })
    expect([...owners()]).to.deep.equal(['nobody'])
    space.close()
  })
})
