/** A sync beside one who dirties pages behind it, and another sync that tags them: each entry is written once. */
import { expect } from 'chai'
import { writebackRange } from '../../lib/dax/writeback.js'
import { Mark } from '../../lib/tree/root.js'
import { FILE_PAGES, entryAt, mapFile, setMark, smallKernel } from '../support/small-kernel.js'

const FILE = 1
const PAGE = 4096
/** So that a sync that never ends shows as a number. */
const TURNS_MAX = 20

describe('a sync of pages that are dirtied again behind it', () => {
  it('B6, S1.8: goes forward and ends', () => {
    const kernel = smallKernel()
    const vma = mapFile(kernel, FILE)
    for (const page of [3, 5]) kernel.pageTable.store(kernel, vma, page * PAGE, 1)
    expect(writebackRange(kernel, FILE, 5, 5)).to.equal(0)
    kernel.ports.take()
    let turns = 0
    // While it writes 3 the page ahead is dirtied, so the two are in batches of their own; while it writes 5, page 3.
    kernel.ports.onCall = (call) => {
      if (!call.startsWith('writeback') || ++turns > TURNS_MAX) return
      const other = call.includes(`:${5 * PAGE}+`) ? 3 : 5
      if (turns > 2 && other === 5) return
      setMark(kernel, FILE, other, Mark.Dirty)
      setMark(kernel, FILE, other, Mark.ToWrite)
    }
    expect(writebackRange(kernel, FILE, 0, FILE_PAGES - 1)).to.equal(0)
    const written = kernel.ports.calls.filter((call) => call.startsWith('writeback'))
    expect(written).to.deep.equal([3, 5].map((page) => `writeback 1:${page * PAGE}+${PAGE}`))
    expect(entryAt(kernel, FILE, 3), 'the next sync writes it').to.match(/ dirty towrite$/)
  })
})
