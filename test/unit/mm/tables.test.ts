/** The inode and mapping tables. */
import { expect } from 'chai'
import { BugError } from '../../../lib/assert.js'
import { InodeFlag, InodeWord } from '../../../lib/mm/inode.js'
import { VmaFlag } from '../../../lib/mm/vma.js'
import { type SmallKernel, attachSmall, mapFile, smallKernel } from '../../support/small-kernel.js'

const GIB = 2 ** 30

describe('mm', () => {
  let kernel: SmallKernel

  beforeEach(() => {
    kernel = smallKernel()
  })

  describe('inode', () => {
    it('keeps sizes past 4 GiB and counts pages that lie partly inside', () => {
      for (const [size, pages] of [
        [0, 0],
        [1, 1],
        [4096, 1],
        [4097, 2],
        [2 ** 40 + 1, 2 ** 28 + 1],
      ] as const) {
        kernel.inodes.setSize(1, size)
        expect([kernel.inodes.sizeOf(1), kernel.inodes.pagesOf(1)]).to.deep.equal([size, pages])
      }
    })

    it('keeps names of any UTF-8, to 255 bytes', () => {
      for (const name of ['a', 'abcd', 'ünïcödé-文件', 'x'.repeat(255)]) {
        kernel.inodes.setName(1, new TextEncoder().encode(name))
        expect(kernel.inodes.nameOf(1)).to.equal(name)
      }
      expect(kernel.inodes.nameOf(2), 'the neighbour').to.equal('')
    })

    it('sets and clears flags one by one, and numbers errors', () => {
      kernel.inodes.setFlags(1, InodeFlag.Dirty)
      kernel.inodes.setFlags(1, InodeFlag.MetadataDirty)
      kernel.inodes.clearFlags(1, InodeFlag.Dirty)
      expect(kernel.inodes.hasFlags(1, InodeFlag.Dirty)).to.equal(false)
      expect(kernel.inodes.hasFlags(1, InodeFlag.MetadataDirty)).to.equal(true)
      kernel.inodes.recordError(1, 5)
      kernel.inodes.recordError(1, 28)
      const { inodes } = kernel
      expect([inodes.word(1, InodeWord.ErrorSequence), inodes.word(1, InodeWord.ErrorNumber)]).to.deep.equal([2, 28])
    })
  })

  describe('vma', () => {
    it('finds a mapping by any of its addresses and by no other', () => {
      const [a, b] = [mapFile(kernel, 1, true, 4, 8), mapFile(kernel, 2)]
      const { vmas } = kernel
      const address = vmas.addressOf(a)
      const found = [address - 1, address, address + 8 * 4096 - 1, address + 8 * 4096].map((at) => {
        const id = vmas.acquire(at)
        if (id !== 0) vmas.unuse(id)
        return id
      })
      expect(found).to.deep.equal([0, a, a, 0])
      expect([vmas.acquire(vmas.addressOf(b)), vmas.inodeOf(b), vmas.addressOfPage(a, 5) - address]).to.deep.equal([
        b,
        2,
        4096,
      ])
    })

    it('a hint of another thread that is stale is not believed', () => {
      const a = mapFile(kernel, 1)
      const other = attachSmall(kernel.handle)
      const address = kernel.vmas.addressOf(a)
      other.vmas.unuse(other.vmas.acquire(address))
      kernel.vmas.retire(a)
      expect(other.vmas.acquire(address), 'dying').to.equal(0)
      kernel.vmas.release(a)
      const b = kernel.vmas.insert({ inode: 2, flags: VmaFlag.Shared, pgoff: 0, pages: 1, address: 50 * GIB })
      expect(b, 'the record is used again').to.equal(a)
      expect([other.vmas.acquire(address), other.vmas.acquire(50 * GIB)]).to.deep.equal([0, b])
    })

    it('lists the mappings of a file, private ones counted, and forgets them', () => {
      const [a, b, c] = [mapFile(kernel, 1), mapFile(kernel, 1, false), mapFile(kernel, 2)]
      const list = (inode: number): number[] => {
        const ids: number[] = []
        for (let id = kernel.vmas.firstInFile(inode); id !== 0; id = kernel.vmas.nextInFile(id)) ids.push(id)
        return ids
      }
      expect([list(1).sort(), list(2)]).to.deep.equal([[a, b], [c]])
      expect(kernel.inodes.word(1, InodeWord.PrivateMaps)).to.equal(1)
      kernel.vmas.retire(b)
      expect([list(1), kernel.inodes.word(1, InodeWord.PrivateMaps)]).to.deep.equal([[a], 0])
      expect(kernel.vmas.retire(b), 'twice').to.equal(false)
      expect(() => kernel.vmas.release(a)).to.throw(BugError)
    })

    it('refuses more than maxMappings with ENOMEM', () => {
      for (let i = 0; i < kernel.vmas.capacity; i++) mapFile(kernel, 1)
      expect(() => mapFile(kernel, 1)).to.throw('ENOMEM')
    })

    it('unuse of a mapping nobody uses is a bug', () => {
      expect(() => kernel.vmas.unuse(mapFile(kernel, 1))).to.throw(BugError)
    })
  })
})
