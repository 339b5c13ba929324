/** A load that waits for the entry while write(2) allocates: what it saw before it had the entry is worth nothing. */
import { expect } from 'chai'
import { serveFault } from '../../lib/dax/fault.js'
import { grabEntry, grabHugeEntry, unlockEntry } from '../../lib/dax/grab-entry.js'
import { attachSmall, entryAt, giveBlock, mapFile, smallKernel } from '../support/small-kernel.js'
import { Page } from '../../lib/constants.js'
import { whileAsleep } from '../support/while-asleep.js'

const FILE = 1
const PAGE = 4096

describe('a load that waited while a block was allocated', () => {
  it('B15, S0.3: maps the block, not the hole it would have found before', () => {
    const kernel = smallKernel()
    const vma = mapFile(kernel, FILE)
    const holder = attachSmall(kernel.handle)
    const entry = grabEntry(holder, FILE, 3, true)
    const slept = whileAsleep(kernel, () => {
      giveBlock(kernel, FILE, 3, 9)
      unlockEntry(holder, FILE, 3, entry)
    })
    expect(kernel.pageTable.load(kernel, vma, 3 * PAGE)).to.equal(9)
    expect(slept()).to.equal(true)
    expect(entryAt(kernel, FILE, 3)).to.match(/^D4 pfn \d+$/)
  })

  it('B16, S0.3: of 2 MiB makes no huge zero entry over it', () => {
    const small = smallKernel()
    small.inodes.setSize(FILE, Page.PmdSize)
    const vma = mapFile(small, FILE, true, 0, Page.PmdPages)
    const kernel = { ...small, hugePages: true }
    const holder = attachSmall(kernel.handle)
    const entry = grabHugeEntry(holder, FILE, 0, true)
    const slept = whileAsleep(kernel, () => {
      giveBlock(kernel, FILE, 3, 9)
      unlockEntry(holder, FILE, 0, entry)
    })
    serveFault(kernel, vma, 5, 0, true)
    expect(slept()).to.equal(true)
    expect([entryAt(kernel, FILE, 3), entryAt(kernel, FILE, 5)]).to.deep.equal(['N', 'Z4'])
  })
})
