/** Faults that meet something which hardly ever happens: no page at all, media or page table that fails late, EOF. */
import { expect } from 'chai'
import { BugError } from '../../../lib/assert.js'
import { Page } from '../../../lib/constants.js'
import { forgetPoison, nextKnownBad } from '../../../lib/dax/bad-blocks.js'
import { serveFault } from '../../../lib/dax/fault.js'
import {
  grabEntry,
  lockEntry,
  lockNextEntry,
  lockPages,
  rootOf,
  unlockEntry,
  unlockPages,
} from '../../../lib/dax/grab-entry.js'
import { memoryFailure } from '../../../lib/dax/memory-failure.js'
import { poisonBlocks } from '../../../lib/dax/poison-blocks.js'
import { VmaFlag } from '../../../lib/mm/vma.js'
import { FaultKind } from '../../../lib/stats.js'
import { MEDIA_ERROR } from '../../support/memory-media.js'
import { type SmallKernel, entryAt, giveBlock, mapFile, smallKernel } from '../../support/small-kernel.js'

const FILE = 1
const PAGE = 4096
const PMD = Page.PmdPages
const WRITE = 1

describe('dax/rare faults', () => {
  describe('of 2 MiB', () => {
    let kernel: SmallKernel
    let huge: SmallKernel
    let vma: number

    function setUp(capacity: number, flags = 0): void {
      kernel = smallKernel({ pages: 2 * PMD, capacity })
      kernel.inodes.setSize(FILE, 2 * PMD * PAGE)
      const all = VmaFlag.Read | VmaFlag.Write | VmaFlag.Shared | flags
      vma = kernel.vmas.insert({ inode: FILE, flags: all, pgoff: 0, pages: 2 * PMD, address: 2 ** 30 })
      huge = { ...kernel, hugePages: true }
    }

    it('a store when not one page is left fails, and leaves nothing behind', () => {
      setUp(48)
      expect(serveFault(huge, vma, 5, WRITE, true), 'takes all there is').to.equal(FaultKind.DataWrite)
      expect(kernel.pfns.freePages).to.equal(0)
      expect(serveFault(huge, vma, PMD + 5, WRITE, true)).to.equal(FaultKind.Failed)
      expect(entryAt(kernel, FILE, PMD)).to.equal('N')
    })

    it('an access behind EOF is not served: the host raises SIGBUS when it is made again', () => {
      setUp(2048)
      kernel.inodes.setSize(FILE, PMD * PAGE)
      kernel.ports.take()
      expect(serveFault(huge, vma, PMD + 5, WRITE, true)).to.equal(FaultKind.Stale)
      expect(kernel.ports.take()).to.deep.equal([`retry v${vma}:${PMD + 5}`])
      expect(entryAt(kernel, FILE, PMD)).to.equal('N')
    })

    it('a MAP_SYNC store whose commit fails is SIGBUS, and the page is not dirty', () => {
      setUp(2048, VmaFlag.Sync)
      kernel.media.failure = MEDIA_ERROR
      kernel.ports.take()
      expect(serveFault(huge, vma, 5, WRITE, true)).to.equal(FaultKind.Failed)
      expect(kernel.ports.take().at(-1)).to.equal(`fail v${vma}:5`)
      expect(entryAt(kernel, FILE, 5)).to.match(/^D2M pfn \d+$/)
      kernel.media.failure = 0
      expect(serveFault(huge, vma, 5, WRITE, true)).to.equal(FaultKind.HugeDataWrite)
      expect(entryAt(kernel, FILE, 5)).to.match(/^D2M pfn \d+ dirty$/)
    })
  })

  describe('of 4 KiB', () => {
    let kernel: SmallKernel

    beforeEach(() => {
      kernel = smallKernel()
    })

    it('a private copy that cannot be made is SIGBUS, the entry is unlocked', () => {
      giveBlock(kernel, FILE, 3, 7)
      const vma = mapFile(kernel, FILE, false)
      kernel.pageTable.mapPrivateCopy = () => MEDIA_ERROR
      kernel.ports.take()
      expect(serveFault(kernel, vma, 3, WRITE, true)).to.equal(FaultKind.Failed)
      expect(kernel.ports.take()).to.deep.equal([`fail v${vma}:3`])
      expect(entryAt(kernel, FILE, 3)).not.to.contain('+L')
    })

    it('a MAP_SYNC store over stores that cannot be written is SIGBUS, and they stay dirty', () => {
      const plain = mapFile(kernel, FILE)
      kernel.pageTable.store(kernel, plain, 3 * PAGE, 7)
      const flags = VmaFlag.Read | VmaFlag.Write | VmaFlag.Shared | VmaFlag.Sync
      const vma = kernel.vmas.insert({ inode: FILE, flags, pgoff: 0, pages: 32, address: 2 ** 40 })
      kernel.media.failure = MEDIA_ERROR
      expect(serveFault(kernel, vma, 3, WRITE, true)).to.equal(FaultKind.Failed)
      expect(entryAt(kernel, FILE, 3)).to.match(/^D4 pfn \d+ dirty/)
    })

    it('a MAP_SYNC store whose page cannot be mapped is SIGBUS, and what is in the cache stays dirty', () => {
      kernel.pageTable.store(kernel, mapFile(kernel, FILE), 3 * PAGE, 7)
      const flags = VmaFlag.Read | VmaFlag.Write | VmaFlag.Shared | VmaFlag.Sync
      const vma = kernel.vmas.insert({ inode: FILE, flags, pgoff: 0, pages: 32, address: 2 ** 40 })
      kernel.pageTable.failure = MEDIA_ERROR
      expect(serveFault(kernel, vma, 3, WRITE, true)).to.equal(FaultKind.Failed)
      expect(entryAt(kernel, FILE, 3)).to.match(/^D4 pfn \d+ dirty$/)
      expect(kernel.media.mediaBytes(FILE, 3 * PAGE, 1)[0], 'saved before the commit').to.equal(7)
    })

    it('blocks that become unwritten lose their errors, holes among them have none', () => {
      const pfns = [2, 4].map((page) => giveBlock(kernel, FILE, page, 1))
      poisonBlocks(kernel, FILE, 2 * 8, 5 * 8, false)
      expect(pfns.map((pfn) => kernel.pfns.isKnownBad(pfn))).to.deep.equal([true, true])
      forgetPoison(kernel, FILE, 2, 4)
      expect(pfns.map((pfn) => kernel.pfns.isKnownBad(pfn))).to.deep.equal([false, true])
    })

    it('a latent error is no known one, wherever the known one lies', () => {
      for (const page of [2, 3, 4, 5]) giveBlock(kernel, FILE, page, 1)
      poisonBlocks(kernel, FILE, 2 * 8, 2 * 8 + 1, true)
      poisonBlocks(kernel, FILE, 3 * 8, 3 * 8 + 1, true)
      expect(nextKnownBad(kernel, FILE, 0, 32)).to.equal(-1)
      poisonBlocks(kernel, FILE, 5 * 8, 5 * 8 + 1, false)
      expect(nextKnownBad(kernel, FILE, 0, 32)).to.equal(5)
      expect(nextKnownBad(kernel, FILE, 0, 5)).to.equal(-1)
    })
  })

  describe('that are bugs of ours', () => {
    it('to lock a locked entry', () => {
      const kernel = smallKernel()
      const entry = grabEntry(kernel, FILE, 3, true)
      lockPages(kernel, FILE)
      expect(() => lockEntry(kernel, FILE, 3, entry)).to.throw(BugError, 'lockEntry of a locked entry')
      const root = rootOf(kernel, FILE)
      const place = kernel.tree.placeOf(root, 3)
      expect(() => lockNextEntry(kernel, root, 3, place, entry)).to.throw(BugError, 'lockNextEntry of a locked entry')
      unlockPages(kernel, FILE)
      unlockEntry(kernel, FILE, 3, entry)
    })

    it('a page frame whose owner does not map it', () => {
      const kernel = smallKernel()
      giveBlock(kernel, FILE, 3, 1)
      const pfn = giveBlock(kernel, FILE, 4, 1)
      kernel.pageTable.load(kernel, mapFile(kernel, FILE), 3 * PAGE)
      kernel.pfns.associate(pfn, FILE, 3)
      expect(() => memoryFailure(kernel, pfn)).to.throw(BugError, 'the owner of a page does not map it')
    })
  })
})
