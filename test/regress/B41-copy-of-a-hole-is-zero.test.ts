/** A copy on write whose source has no data yet: the copy is zeroes, not what media holds there. */
import { expect } from 'chai'
import { giveUnwritten, mapFile, smallKernel } from '../support/small-kernel.js'

const FILE = 1
const PAGE = 4096

describe('a private copy of a page without data', () => {
  it('B41, S0.6: shows zeroes, whatever an older file left on media', () => {
    const kernel = smallKernel()
    const copy = mapFile(kernel, FILE, false)
    giveUnwritten(kernel, FILE, 3)
    for (const page of [3, 4]) {
      kernel.media.mediaBytes(FILE, page * PAGE, PAGE).fill(0xee)
      kernel.pageTable.store(kernel, copy, page * PAGE, 1)
      const seen = [0, 1, PAGE - 1].map((byte) => kernel.pageTable.load(kernel, copy, page * PAGE + byte))
      expect(seen).to.deep.equal([1, 0, 0])
    }
  })
})
