/** Emptying the page tables of one mapping is no business of the entries: other mappings show the pages. */
import { expect } from 'chai'
import { Advice, PAGE, Space } from '../fs/vm-space.js'
import { requireUserfaultfd } from '../support/require-uffd.js'

describe('MADV_DONTNEED of one mapping', () => {
  before(function () {
    requireUserfaultfd(this)
  })

  it('B17, K82: removes no entry, clean or not, that another mapping shows', () => {
    const space = new Space()
    const file = space.data(3)
    const [a, b] = [space.map(file, 3 * PAGE), space.map(file, 3 * PAGE)]
    for (const page of [0, 1]) expect(space.load(a + page * PAGE)).to.equal(16 + page)
    expect(space.store(a + 2 * PAGE, 9)).to.equal('ok')
    const before = file.stat()
    expect(space.madvise(b, 3 * PAGE, Advice.DontNeed)).to.equal('ok')
    expect(file.stat().entries).to.deep.equal(before.entries)
    expect(file.stat().tags).to.deep.equal(before.tags)
    expect(space.pages(a, 3 * PAGE), 'still mapped').to.equal('d*3,')
    space.close()
  })
})
