/** Memory errors through the public surface: how they come, who is told, what clears them, what outlives what. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { type DaxFile, type FallocateOptions, mount } from '../../lib/index.js'
import { machineOf } from '../../lib/fs/pmem.js'
import { parseBadBlocks } from '../../lib/media/host-file-bad-blocks.js'
import { PAGE, Pool, bytes } from '../fault/pool.js'
import { requireUserfaultfd } from '../support/require-uffd.js'

const BLOCK = 512

describe('memory errors', () => {
  let pool: Pool

  beforeEach(function () {
    requireUserfaultfd(this)
    pool = new Pool()
  })
  afterEach(() => {
    pool.close()
  })

  /** [offset, length] of the known errors of a file, in blocks of 512 bytes. */
  const bad = (name = 'a.pm'): [number, number][] =>
    pool.pmem.badBlocks(name).blocks.map(({ offset, length }) => [offset / BLOCK, length / BLOCK])
  const note = (name = 'a.pm'): string => join(pool.path, '.faultline/badblocks', name)
  const loses = (file: DaxFile): void => {
    expect(() => {
      file.sync()
    }).to.throw('EIO')
  }

  function remount(): DaxFile {
    pool.close()
    pool.pmem = mount(pool.path, { capacity: '16MiB' })
    return pool.pmem.open('a.pm')
  }

  describe('a bad-block run', () => {
    /** What libpmem2 does of a file: list, clear each by giving its blocks up and taking new ones, write, read back. */
    function clearAsLibpmem2(file: DaxFile): void {
      for (const { offset, length } of pool.pmem.badBlocks(file).blocks) {
        const start = offset - (offset % PAGE)
        const range = { offset: start, length: Math.ceil((offset + length) / PAGE) * PAGE - start }
        file.fallocate({ mode: 'punch', ...range })
        file.fallocate({ mode: 'allocate', keepSize: true, ...range })
      }
    }

    const ways: Record<string, (file: DaxFile) => void> = {
      'punch and allocate, as libpmem2': clearAsLibpmem2,
      'clearPoison, as ndctl clear-errors': (file) => {
        for (const { offset, length } of pool.pmem.badBlocks(file).blocks) pool.pmem.clearPoison(file, offset, length)
      },
      'writes of whole pages': (file) => {
        for (const page of [1, 2, 5]) file.write(Buffer.alloc(PAGE), page * PAGE)
      },
    }
    for (const [how, clear] of Object.entries(ways)) {
      it(`K99, K108: list, clear, write, read back: ${how}`, () => {
        const file = pool.data(8)
        const mapping = file.mmap()
        pool.pmem.poison(file, PAGE + 3 * BLOCK, PAGE)
        pool.pmem.poison(file, 5 * PAGE, 1)
        expect(bad()).to.deep.equal([
          [8 + 3, 8],
          [40, 1],
        ])
        expect(pool.pmem.badBlocks()).to.deep.equal([pool.pmem.badBlocks(file)])
        for (const page of [1, 2, 5]) expect(() => mapping.tryRead(page * PAGE, 1)).to.throw('EIO')
        clear(file)
        expect(pool.pmem.badBlocks()).to.deep.equal([])
        expect(existsSync(note())).to.equal(false)
        for (const page of [1, 2, 5]) expect(mapping.tryRead(page * PAGE + 3 * BLOCK, 1)[0]).to.be.oneOf([0, 16 + page])
        for (const page of [1, 2, 5]) mapping.tryWrite(page * PAGE, Buffer.alloc(PAGE, page))
        mapping.msync()
        pool.pmem.crash()
        const again = remount()
        const all = Buffer.alloc(8 * PAGE)
        expect(again.read(all, 0)).to.equal(all.length)
        const expected = [16, 1, 2, 19, 20, 5, 22, 23]
        expect([...all].every((byte, i) => byte === expected[Math.floor(i / PAGE)])).to.equal(true)
      })
    }
  })

  describe('blocks of 512 bytes', () => {
    it('K99: one bad block makes its page bad; cleared, it reads zero, and the rest is as it was stored', () => {
      const file = pool.data(2)
      const mapping = file.mmap()
      bytes(mapping)[0] = 1
      bytes(mapping)[2 * BLOCK] = 2
      expect(pool.pmem.poison(file, BLOCK + 7, 3)).to.equal(1)
      expect(bad()).to.deep.equal([[1, 1]])
      expect(() => mapping.tryRead(0, 1)).to.throw('EIO')
      expect(pool.pmem.clearPoison(file, 0, BLOCK), 'next to it').to.equal(0)
      expect(() => mapping.tryRead(0, 1)).to.throw('EIO')
      expect(pool.pmem.clearPoison(file, 0, 2 * PAGE)).to.equal(1)
      const page = mapping.tryRead(0, PAGE)
      expect([page[0], page[1], page[2 * BLOCK], page[PAGE - 1]]).to.deep.equal([1, 16, 2, 16])
      expect(page.subarray(BLOCK, 2 * BLOCK).every((byte) => byte === 0)).to.equal(true)
      pool.pmem.crash()
      expect([...mapping.tryRead(0, 1), ...mapping.tryRead(2 * BLOCK, 1)], 'stores around it').to.deep.equal([1, 2])
      expect([...mapping.tryRead(BLOCK, 1)]).to.deep.equal([0])
    })

    it('of a page are cleared one by one; the page is sound with the last', () => {
      const file = pool.data(1)
      const mapping = file.mmap()
      expect(pool.pmem.poison(file, 0, PAGE)).to.equal(8)
      for (let block = 0; block < 8; block++) {
        expect(() => mapping.tryRead(0, 1)).to.throw('EIO')
        expect(pool.pmem.clearPoison(file, block * BLOCK, BLOCK)).to.equal(1)
      }
      expect(mapping.tryRead(0, 1)[0]).to.equal(0)
      expect(pool.pmem.clearPoison(file, 0, PAGE), 'nothing left').to.equal(0)
    })

    it('are there only where the file has written blocks', () => {
      const file = pool.holes(8)
      file.fallocate({ offset: 2 * PAGE, length: PAGE })
      bytes(file.mmap())[0] = 1
      expect(pool.pmem.poison(file, PAGE, 2 ** 40), 'holes, unwritten blocks and what is past EOF').to.equal(0)
      expect(pool.pmem.badBlocks()).to.deep.equal([])
      expect(pool.pmem.poison('a.pm', 0, 2 ** 40)).to.equal(8)
      loses(file)
    })

    it('K108: what can be written over them is what dax_recovery_write takes', () => {
      const file = pool.data(8)
      const tries: [from: number, to: number, errors: number[], outcome: number | 'EFAULT'][] = [
        // Blocks 8..15 are page 1. A write that starts and ends with pages repairs.
        [PAGE, 2 * PAGE, [8], PAGE],
        [0, 3 * PAGE, [8, 11, 23], 3 * PAGE],
        // The first bad block begins a page: pages before it are written, however the write began.
        [100, 3 * PAGE, [8], 3 * PAGE - 100],
        [100, 2 * PAGE - 1, [8], PAGE - 100],
        // It does not: its page is of one piece with those before, which must begin with a page then.
        [100, 3 * PAGE, [9], 'EFAULT'],
        [0, 2 * PAGE - 1, [9], 'EFAULT'],
        [0, 3 * PAGE - 1, [9], 3 * PAGE - 1],
        // A part of the bad page.
        [PAGE + BLOCK, PAGE + 2 * BLOCK, [9], 'EFAULT'],
        [PAGE, PAGE + BLOCK, [8], 'EFAULT'],
      ]
      for (const [from, to, errors, outcome] of tries) {
        for (const block of errors) pool.pmem.poison(file, block * BLOCK, 1)
        const what = `${from}..${to} over ${errors.join(', ')}`
        if (outcome === 'EFAULT') expect(() => file.write(Buffer.alloc(to - from, 1), from), what).to.throw('EFAULT')
        else expect(file.write(Buffer.alloc(to - from, 1), from), what).to.equal(outcome)
        const end = outcome === 'EFAULT' ? from : from + outcome
        const left = errors.filter((block) => end < (Math.floor(block / 8) + 1) * PAGE || outcome === 'EFAULT')
        expect(bad(), what).to.deep.equal(left.map((block) => [block, 1]))
        pool.pmem.clearPoison(file, 0, 8 * PAGE)
      }
      file.sync()
      const before = file.size
      pool.poison(file, 7)
      expect(() => file.write(Buffer.alloc(2 * PAGE), 7 * PAGE + 1)).to.throw('EFAULT')
      expect(file.stat()).to.include({ size: before, blocks: 64 })
    })
  })

  describe('who is told', () => {
    it('K99: a sync over a bad page is EIO once for each open of the file, by sync or msync', () => {
      const [file, other] = [pool.data(4), pool.pmem.open('a.pm')]
      const third = pool.pmem.open('a.pm')
      const mapping = file.mmap()
      const [otherMap, thirdMap] = [other.mmap(), third.mmap()]
      for (const page of [0, 1, 2]) bytes(mapping)[page * PAGE] = 1
      for (const page of [0, 2]) pool.poison(file, page)
      loses(file)
      expect([pool.media(PAGE), pool.media(0), pool.media(2 * PAGE)], 'the rest is written').to.eql([[1], [16], [18]])
      file.sync()
      mapping.msync()
      loses(other)
      otherMap.msync()
      expect(() => {
        thirdMap.msync(3 * PAGE)
      }).to.throw('EIO')
      third.sync()
      pool.pmem.open('a.pm').sync()
      expect(file.stat().tags).to.deep.equal({ dirty: 0, towrite: 0 })
    })

    it('K107: what write() had not made durable is lost too, and told in the same breath', () => {
      const file = pool.data(3)
      const mapping = file.mmap()
      bytes(mapping)[PAGE] = 1
      file.write(Buffer.alloc(8, 2), PAGE + 64)
      file.write(Buffer.alloc(8, 2), 2 * PAGE)
      pool.poison(file, 1)
      loses(file)
      expect(pool.media(2 * PAGE)).to.deep.equal([2])
      file.sync()
      expect(file.stat().unfencedLines).to.equal(0)
    })

    it('a flush of a bad page is EIO, and what was flushed before is not fenced any more', () => {
      const file = pool.data(2)
      const mapping = file.mmap()
      bytes(mapping)[0] = 1
      mapping.flush(0, 64)
      bytes(mapping)[PAGE] = 1
      pool.poison(file, 0)
      pool.pmem.fence()
      expect(pool.media(0)).to.deep.equal([16])
      expect(() => mapping.flush(0, 64)).to.throw('EIO')
      mapping.persist(PAGE, 64)
      expect(pool.media(PAGE)).to.deep.equal([1])
      loses(file)
    })

    it('close says so, when nobody has synced', () => {
      const file = pool.data(1)
      bytes(file.mmap())[0] = 1
      pool.poison(file, 0)
      expect(() => {
        pool.close()
      }).to.throw('EIO')
      pool.pmem = mount(pool.path, { capacity: '16MiB' })
      expect(bad()).to.deep.equal([[0, 8]])
    })
  })

  describe('what clears them', () => {
    const ways: Record<string, [FallocateOptions, number | undefined]> = {
      'punching the page': [{ mode: 'punch', offset: PAGE, length: PAGE }, 0],
      'zeroing the page': [{ mode: 'zero', offset: PAGE, length: PAGE }, 0],
      'collapsing it away': [{ mode: 'collapse', offset: PAGE, length: PAGE }, 18],
    }
    for (const [how, [options, byte]] of Object.entries(ways)) {
      it(`K101: ${how}, for every mapping that was refused`, () => {
        const file = pool.data(4)
        const mappings = [file.mmap(), file.mmap({ sharing: 'private' })]
        pool.poison(file, 1)
        for (const mapping of mappings) {
          expect(() => mapping.tryRead(PAGE, 1)).to.throw('EIO')
          refuse(mapping.buffer, PAGE)
        }
        file.fallocate(options)
        expect(bad()).to.deep.equal([])
        expect(existsSync(note())).to.equal(false)
        for (const mapping of mappings) expect(bytes(mapping)[PAGE]).to.equal(byte)
      })
    }

    /** Leave the page answering with SIGBUS, as a load that nobody survives does. */
    function refuse(buffer: ArrayBuffer, offset: number): void {
      const { addon } = machineOf(pool.pmem)
      const failure = new Float64Array(3)
      addon.accessBytes(addon.addressOf(new Uint8Array(buffer)) + offset, 1, 1, false, new Uint8Array(1), failure)
      expect(failure[0], 'a signal').to.be.greaterThan(0)
    }

    it('a write of the page and clearPoison, too', () => {
      const file = pool.data(3)
      const mappings = [file.mmap(), file.mmap({ sharing: 'private' })]
      for (const page of [1, 2]) {
        pool.poison(file, page)
        for (const mapping of mappings) refuse(mapping.buffer, page * PAGE)
      }
      file.write(Buffer.alloc(PAGE, 1), PAGE)
      pool.pmem.clearPoison(file, 2 * PAGE, PAGE)
      for (const mapping of mappings) expect([bytes(mapping)[PAGE], bytes(mapping)[2 * PAGE]]).to.deep.equal([1, 0])
    })

    it('truncate; a file that grows again has none', () => {
      const file = pool.data(4)
      pool.poison(file, 2)
      file.truncate(2 * PAGE)
      expect(bad()).to.deep.equal([])
      file.truncate(4 * PAGE)
      expect(file.mmap().tryRead(2 * PAGE, 1)[0]).to.equal(0)
    })

    it('insert and collapse move them with their blocks', () => {
      const file = pool.data(4)
      pool.pmem.poison(file, 2 * PAGE + BLOCK, 1)
      file.fallocate({ mode: 'insert', offset: PAGE, length: 2 * PAGE })
      expect(bad()).to.deep.equal([[4 * 8 + 1, 1]])
      expect(
        remount()
          .mmap()
          .tryRead(3 * PAGE, 1)[0],
      ).to.equal(17)
      const again = pool.pmem.open('a.pm')
      again.fallocate({ mode: 'collapse', offset: 0, length: 3 * PAGE })
      expect(bad()).to.deep.equal([[8 + 1, 1]])
    })

    it('K101: a part of a bad page cannot be zeroed: punch, zero range and truncate are EIO', () => {
      const file = pool.data(3)
      pool.poison(file, 1)
      for (const mode of ['punch', 'zero'] as const) {
        expect(() => {
          file.fallocate({ mode, offset: PAGE + 64, length: 64 })
        }).to.throw('EIO')
      }
      expect(() => {
        file.truncate(PAGE + 1)
      }).to.throw('EIO')
      expect([file.size, bad()]).to.deep.equal([3 * PAGE, [[8, 8]]])
      file.truncate(PAGE)
      expect(bad()).to.deep.equal([])
    })
  })

  describe('latent', () => {
    it('nobody knows of them before the first access, by load, store or read', () => {
      const accesses: ((file: DaxFile) => unknown)[] = [
        (file) => file.mmap().tryRead(PAGE, 1),
        (file) => {
          file.mmap().tryWrite(PAGE + 9, Buffer.from([1]))
        },
        (file) => file.mmap({ sharing: 'private' }).tryRead(PAGE, 1),
        (file) => file.read(Buffer.alloc(8), PAGE),
      ]
      for (const [i, access] of accesses.entries()) {
        const name = `${i}.pm`
        const file = pool.data(3, name)
        expect(bytes(file.mmap())[PAGE]).to.equal(17)
        pool.pmem.poison(file, PAGE + BLOCK, 1, { latent: true })
        expect(bad(name), name).to.deep.equal([])
        expect(file.read(Buffer.alloc(PAGE), 0)).to.equal(PAGE)
        expect(bytes(file.mmap())[2 * PAGE], 'pages around it').to.equal(18)
        expect(() => access(file), name).to.throw('EIO')
        expect(bad(name), name).to.deep.equal([[8 + 1, 1]])
      }
    })

    it('outlive the mount and the power, still unknown', () => {
      const file = pool.data(2)
      pool.pmem.poison(file, 0, BLOCK, { latent: true })
      pool.pmem.poison(file, PAGE, BLOCK)
      pool.pmem.crash()
      expect(bad()).to.deep.equal([[8, 1]])
      const again = remount()
      expect(bad()).to.deep.equal([[8, 1]])
      expect(() => again.mmap().tryRead(0, 1)).to.throw('EIO')
      expect(bad()).to.deep.equal([
        [0, 1],
        [8, 1],
      ])
    })

    it('a write of the whole page takes them away unseen; a sync writes around nothing', () => {
      const file = pool.data(2)
      const mapping = file.mmap()
      bytes(mapping)[PAGE] = 1
      for (const page of [0, 1]) pool.pmem.poison(file, page * PAGE, BLOCK, { latent: true })
      file.sync()
      expect(pool.media(PAGE), 'the error is in the way of loads').to.deep.equal([1])
      file.write(Buffer.alloc(PAGE, 5), 0)
      expect(mapping.tryRead(0, 1)[0]).to.equal(5)
      expect(() => mapping.tryRead(PAGE, 1)).to.throw('EIO')
      expect(bad()).to.deep.equal([[8, 1]])
    })

    it('an error that is known makes all of its page known', () => {
      const file = pool.data(1)
      pool.pmem.poison(file, 0, BLOCK, { latent: true })
      pool.pmem.poison(file, 2 * BLOCK, BLOCK)
      expect(bad()).to.deep.equal([
        [0, 1],
        [2, 1],
      ])
    })
  })

  describe('what outlives what', () => {
    it('a remount and a power failure keep them, and the bytes around them', () => {
      const file = pool.data(3)
      pool.pmem.poison(file, PAGE, BLOCK)
      pool.pmem.crash({ survive: 'all' })
      expect(bad()).to.deep.equal([[8, 1]])
      const again = remount()
      expect(() => again.mmap().tryRead(PAGE, 1)).to.throw('EIO')
      expect(again.mmap().tryRead(2 * PAGE, 1)[0]).to.equal(18)
      expect(readFileSync(note(), 'utf8')).to.match(
        /^\{"format":1,"blockSize":512,"bad":\[\[8,1\]\],"latent":\[\],"sum":"[0-9a-f]{8}"\}\n$/,
      )
    })

    it('a power failure keeps those of a file without a name, and loses the stores to it', () => {
      const file = pool.data(2)
      const mapping = file.mmap()
      pool.pmem.unlink('a.pm')
      bytes(mapping)[PAGE] = 1
      pool.poison(file, 1)
      expect(pool.pmem.crash({ survive: 'all' })).to.include({ linesAtRisk: 0 })
      expect(() => mapping.tryRead(PAGE, 1)).to.throw('EIO')
      file.sync()
    })

    it('they go with the name: rename, a name taken over, unlink', () => {
      const [file, victim] = [pool.data(1), pool.data(1, 'b.pm')]
      for (const each of [file, victim]) pool.poison(each, 0)
      pool.pmem.clearPoison('b.pm', BLOCK, PAGE)
      pool.pmem.rename('a.pm', 'b.pm')
      expect([bad('b.pm'), existsSync(note())]).to.deep.equal([[[0, 8]], false])
      expect(pool.pmem.badBlocks(victim).blocks, 'the one without a name has its own').to.have.lengthOf(1)
      pool.pmem.unlink('b.pm')
      expect(existsSync(note('b.pm'))).to.equal(false)
      expect(pool.pmem.open('b.pm', { create: true, size: PAGE }).read(Buffer.alloc(8), 0)).to.equal(8)
    })

    it('a damaged note keeps the file shut; what it says of pages that are not there means nothing', () => {
      const odd = ['', 'null', '[]', '{"format":2}', '{"format":1,"blockSize":4096,"bad":[[0,1]]}']
      const pairs = ['[[0]]', '[[0,0]]', '[[-1,2]]', '[[0,1e99]]', '[["0",1]]', '7', '[[0,9],[8,1]]']
      odd.push(...pairs.map((list) => `{"format":1,"blockSize":512,"bad":${list},"latent":[]}`))
      for (const text of odd) expect(() => parseBadBlocks(text), text).to.throw(Error, /^it(s|) /)
      pool.data(2)
      for (const [text, expected] of [
        ['{', undefined],
        ['{"format":1,"blockSize":512,"bad":[[8,1],[4096,8]],"latent":[[0,1]]}', [[8, 1]]],
      ] as const) {
        pool.close()
        writeFileSync(note(), text)
        pool.pmem = mount(pool.path, { capacity: '16MiB' })
        if (expected !== undefined) expect(bad(), text).to.deep.equal(expected)
        else expect(() => bad()).to.throw(/^EIO: its list of bad blocks, .*a\.pm, is damaged: it is not JSON; remove/)
      }
    })
  })

  it('are misused with a file of another mount, or a closed one', () => {
    const other = new Pool()
    const theirs = other.holes(1)
    expect(() => pool.pmem.poison(theirs, 0, 1)).to.throw(RangeError, 'file must be a file this mount has open')
    theirs.close()
    expect(() => pool.pmem.badBlocks(theirs)).to.throw('EBADF')
    expect(() => pool.pmem.poison('none.pm', 0, 1)).to.throw('ENOENT')
    other.close()
  })
})
