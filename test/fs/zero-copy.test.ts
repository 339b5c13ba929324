/**
 * Mount option zeroCopy: mappings map the media file itself. Nothing is copied, a store is durable when it is made, and
 * holes stay holes though a look at one leaves a page of zeroes on media. All else is as on any mount: the replayed
 * scenarios (test/oracle) and the model of system calls (test/model) run with it too.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync, readFileSync, readdirSync, readlinkSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { type DaxFile, type MountOptions, PmemError, type Pmem, mount } from '../../lib/index.js'
import { isOnTmpfs } from '../../lib/binding/file-system.js'
import { machineOf } from '../../lib/fs/pmem.js'
import { Prng } from '../../lib/prng.js'
import { PAGE, Pool, bytes } from '../fault/pool.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { seedFor } from '../support/seed.js'
import { temporaryDirectory, tmpfsDirectory } from '../support/temp.js'
import { runFixture } from './run-fixture.js'

const ZERO_COPY = { domain: 'eadr', zeroCopy: true } as const
/** Of the fixture. */
const SLOTS = 48
const HUGE = 512 * PAGE

describe('media that is mapped itself', () => {
  let pool: Pool

  before(function () {
    requireUserfaultfd(this)
  })
  beforeEach(() => {
    pool = new Pool({ ...ZERO_COPY, faultWorkers: 1 })
  })
  afterEach(() => {
    pool.close()
  })

  /** KiB the host has for the media file. */
  const onHost = (name = 'a.pm'): number => statSync(join(pool.path, name)).blocks / 2
  const pagesOnHost = (): number => onHost() / 4
  const isNoted = (name = 'a.pm'): boolean => existsSync(join(pool.path, '.faultline/mapped', name))

  /** The same pool in another mount. */
  function remount(options: MountOptions = ZERO_COPY): Pmem {
    pool.close()
    pool.pmem = mount(pool.path, { capacity: '16MiB', ...options })
    return pool.pmem
  }

  describe('copies nothing', () => {
    it('a mapping is of the media file, and there is no memfd', () => {
      const mapping = pool.data(4).mmap()
      const maps = readFileSync('/proc/self/maps', 'utf8').split('\n')
      const own = maps.find((line) => line.startsWith(`${mapping.address.toString(16)}-`))
      expect(own).to.contain(join(pool.path, 'a.pm'))
      const descriptors = readdirSync('/proc/self/fd').map((fd) => {
        try {
          return readlinkSync(`/proc/self/fd/${fd}`)
        } catch {
          return ''
        }
      })
      expect(descriptors.filter((target) => /memfd:faultline:a\.pm/.test(target))).to.deep.equal([])
    })

    it('a store is on media at once, and what others write to media is in the mapping', () => {
      const file = pool.data(4)
      const view = bytes(file.mmap())
      view[PAGE + 3] = 99
      expect(pool.media(PAGE, 4)).to.deep.equal([17, 17, 17, 99])
      file.write(Uint8Array.of(98), 2 * PAGE)
      expect([pool.media(2 * PAGE)[0], view[2 * PAGE]]).to.deep.equal([98, 98])
    })

    it('reading all of a file takes no memory, writing all of it no second time', () => {
      const pages = 1024
      const file = pool.data(pages)
      const before = onHost()
      const view = bytes(file.mmap())
      for (let page = 0; page < pages; page++) {
        expect(view[page * PAGE]).to.equal((16 + page) % 256)
        view[page * PAGE] = 1
      }
      file.sync()
      expect(onHost()).to.equal(before)
      expect(pool.pmem.stats()).to.include({ linesWritten: 0, pagesWritten: pages })
    })

    it('K52, K60: every page is in the cache: loads are minor faults, first stores and syncs as on any mount', () => {
      const file = pool.data(4)
      const view = bytes(file.mmap())
      expect(pool.faultsOf(() => expect(view[0]).to.equal(16))).to.deep.equal({ minorRead: 1 })
      expect(pool.faultsOf(() => (view[0] = 1))).to.deep.equal({ mkwrite: 1 })
      expect(file.stat().tags.dirty).to.equal(1)
      file.sync()
      expect(file.stat().tags.dirty).to.equal(0)
      expect(pool.faultsOf(() => (view[0] = 2))).to.deep.equal({ mkwrite: 1 })
      expect(pool.faultsOf(() => (view[PAGE] = 2))).to.deep.equal({ minorWrite: 1 })
    })

    it('K72: there is nothing to flush and nothing at risk', () => {
      const file = pool.data(4)
      const mapping = file.mmap()
      bytes(mapping)[0] = 1
      expect(mapping.flush(0, PAGE)).to.equal(0)
      mapping.persist(0, PAGE)
      mapping.copy(PAGE, Buffer.alloc(100, 5), { nonTemporal: true })
      file.write(Buffer.alloc(10, 6), 2 * PAGE)
      expect(pool.pmem.crash()).to.deep.equal({ linesAtRisk: 0, linesSurvived: 0, linesLost: 0 })
      expect([0, PAGE + 99, 2 * PAGE + 9].map((at) => bytes(mapping)[at])).to.deep.equal([1, 5, 6])
    })
  })

  describe('holes', () => {
    it('K42: a load allocates no block; the page of zeroes it leaves on media goes with close, and a crash', () => {
      const file = pool.holes(8)
      const look = (): void => {
        expect([...bytes(file.mmap())].every((byte) => byte === 0)).to.equal(true)
      }
      look()
      expect([file.stat().blocks, pagesOnHost()]).to.deep.equal([0, 8])
      pool.pmem.crash()
      expect([file.stat().blocks, pagesOnHost()]).to.deep.equal([0, 0])
      look()
      bytes(file.mmap())[3 * PAGE] = 1
      expect(file.stat().blocks).to.equal(8)
      expect(isNoted()).to.equal(true)
      const again = remount().open('a.pm')
      expect([again.stat().blocks, pagesOnHost()]).to.deep.equal([8, 1])
      again.close()
      expect(isNoted(), 'a file that nobody has open is at rest').to.equal(false)
    })

    it('T8: nor does one of 2 MiB, which stays a hole', () => {
      const file = pool.holes(1024)
      const view = bytes(file.mmap())
      expect(view[5 * PAGE]).to.equal(0)
      expect(file.stat()).to.deep.include({ blocks: 0 })
      expect(file.stat().entries).to.deep.equal({ Z2M: 1 })
      view[HUGE + 7 * PAGE] = 3
      expect(file.stat().blocks).to.equal(HUGE / 512)
      const { extents } = remount().open('a.pm').stat()
      expect(extents.map(({ start, end }) => [start, end])).to.deep.equal([[HUGE, 2 * HUGE]])
      expect(pool.media(HUGE + 7 * PAGE)).to.deep.equal([3])
    })

    it('unwritten blocks that were looked at are unwritten after close, and written ones of zeroes written', () => {
      const file = pool.holes(8)
      file.fallocate({ offset: 2 * PAGE, length: 2 * PAGE })
      expect([...bytes(file.mmap())].every((byte) => byte === 0)).to.equal(true)
      file.write(Buffer.alloc(PAGE), 5 * PAGE)
      const extents = (of: DaxFile): unknown[] => of.stat().extents.map(({ start, end, state }) => [start, end, state])
      const expected = [
        [2 * PAGE, 4 * PAGE, 'unwritten'],
        [5 * PAGE, 6 * PAGE, 'written'],
      ]
      expect(extents(file)).to.deep.equal(expected)
      expect(extents(remount().open('a.pm'))).to.deep.equal(expected)
    })

    it('K84, K101: a punch takes the page off media and out of the mapping, a truncate what is behind', () => {
      const file = pool.data(8)
      const view = bytes(file.mmap())
      for (let page = 0; page < 8; page++) view[page * PAGE + 1] = 1
      file.fallocate({ mode: 'punch', offset: 2 * PAGE, length: 2 * PAGE })
      expect(pagesOnHost()).to.equal(6)
      expect([view[2 * PAGE], view[4 * PAGE]]).to.deep.equal([0, 20])
      file.truncate(5 * PAGE + 10)
      file.truncate(8 * PAGE)
      expect([view[5 * PAGE + 1], view[5 * PAGE + 10], view[6 * PAGE]]).to.deep.equal([1, 0, 0])
    })
  })

  describe('past EOF', () => {
    it('K102: bytes stored behind the end stay with the block until the file grows, which zeroes them', () => {
      const file = pool.pmem.open('a.pm', { create: true, size: 100 })
      const view = bytes(file.mmap({ length: PAGE }))
      view[50] = 1
      view[200] = 2
      pool.pmem.crash()
      expect([view[50], view[200]], 'as on pmem').to.deep.equal([1, 2])
      file.truncate(PAGE)
      expect([view[50], view[200], ...pool.media(200)]).to.deep.equal([1, 0, 0])
    })
  })

  describe('private mappings', () => {
    it('see stores of others until they copy, and never reach media', () => {
      const file = pool.data(4)
      const [shared, own] = [bytes(file.mmap()), bytes(file.mmap({ sharing: 'private' }))]
      shared[0] = 1
      expect(own[0]).to.equal(1)
      own[0] = 2
      own[PAGE] = 3
      expect([shared[0], shared[PAGE], ...pool.media(0), ...pool.media(PAGE)]).to.deep.equal([1, 17, 1, 17])
      pool.pmem.crash()
      expect([own[0], own[PAGE]]).to.deep.equal([1, 17])
    })
  })

  describe('memory errors', () => {
    it('K99, K108: are SIGBUS, outlive the mount, and read zero when they are cleared', () => {
      const file = pool.data(4)
      bytes(file.mmap())[PAGE] = 1
      pool.poison(file, 1)
      expect(() => file.mmap().tryRead(PAGE, 1)).to.throw(PmemError, /^EIO/)
      expect(file.mmap().tryRead(0, 1)).to.deep.equal(Uint8Array.of(16))
      expect(() => {
        file.sync()
      }).to.throw(PmemError, /^EIO/)
      const again = remount().open('a.pm')
      const mapping = again.mmap()
      expect(() => mapping.tryRead(PAGE, 1)).to.throw(PmemError, /^EIO/)
      pool.pmem.clearPoison(again, PAGE, PAGE)
      expect(mapping.tryRead(PAGE, 2)).to.deep.equal(Uint8Array.of(0, 0))
    })
  })

  it('an unlinked file lives as long as it is open, and leaves nothing', () => {
    const file = pool.data(4)
    const view = bytes(file.mmap())
    pool.pmem.unlink('a.pm')
    view[0] = 9
    const before = pool.pmem.stats().free
    file.close()
    expect([existsSync(join(pool.path, 'a.pm')), isNoted()]).to.deep.equal([false, false])
    expect(view[0], 'mapped still').to.equal(9)
    expect(pool.pmem.stats().free).to.equal(before)
  })

  it('a file that is renamed while it is mapped is at rest under its new name', () => {
    const file = pool.holes(4)
    expect(bytes(file.mmap())[0]).to.equal(0)
    pool.pmem.rename('a.pm', 'b.pm')
    expect([isNoted('a.pm'), isNoted('b.pm'), onHost('b.pm')]).to.deep.equal([false, true, 4])
    pool.pmem.close()
    expect([isNoted('a.pm'), isNoted('b.pm'), onHost('b.pm')]).to.deep.equal([false, false, 0])
  })

  it('a store without a block for it is SIGBUS; space is there again after a punch', () => {
    const file = pool.holes(8192)
    const mapping = file.mmap()
    const stored = 4096
    for (let page = 0; page < stored; page++) bytes(mapping)[page * PAGE] = 1
    expect(() => {
      mapping.tryWrite(stored * PAGE, Uint8Array.of(1))
    }).to.throw(PmemError, /^EIO/)
    file.fallocate({ mode: 'punch', offset: 0, length: PAGE })
    mapping.tryWrite(stored * PAGE, Uint8Array.of(1))
    expect(pool.media(stored * PAGE)).to.deep.equal([1])
  })

  it('S0.8: verify finds nothing wrong after random calls, and media is what mappings show', () => {
    const prng = new Prng(seedFor('zero-copy'))
    const file = pool.holes(64)
    const view = bytes(file.mmap())
    for (let i = 0; i < 400; i++) {
      const page = prng.below(64)
      const draw = prng.below(10)
      if (draw < 4) view[page * PAGE + prng.below(PAGE)] = prng.below(256)
      else if (draw < 6) expect(view[page * PAGE]).to.be.a('number')
      else if (draw === 6)
        file.write(Buffer.alloc(1 + prng.below(3 * PAGE), i), Math.min(page, 60) * PAGE + prng.below(PAGE))
      else if (draw === 7)
        file.fallocate({ mode: 'punch', offset: page * PAGE + prng.below(PAGE), length: 1 + prng.below(PAGE) })
      else if (draw === 8) file.sync()
      else pool.pmem.crash()
    }
    pool.pmem.verify()
    expect(Buffer.compare(readFileSync(join(pool.path, 'a.pm')), view)).to.equal(0)
  })

  it('S0.8: verify finds bytes where there is no block', () => {
    const file = pool.holes(4)
    expect(bytes(file.mmap())[PAGE]).to.equal(0)
    expect(pool.pmem.verify()).to.include({ comparedPages: 1 })
    const fd = openSync(join(pool.path, 'a.pm'), 'r+')
    writeSync(fd, Uint8Array.of(1), 0, 1, 2 * PAGE)
    closeSync(fd)
    expect(() => pool.pmem.verify()).to.throw(/page 2 of media holds bytes and has no written block/)
  })

  describe('kill -9', () => {
    it('at any moment leaves every store that was made, and none after it', async function () {
      this.timeout(60_000)
      const prng = new Prng(seedFor('killed'))
      for (let round = 0; round < 4; round++) {
        const folder = tmpfsDirectory('killed')
        const last = await killCounting(folder, 20 + prng.below(60))
        const words = new BigUint64Array(new Uint8Array(readFileSync(join(folder, 'a.pm'))).buffer)
        const slots = Array.from({ length: SLOTS }, (_, i) => Number(words[(1 + i) * (PAGE / 8)]))
        const stored = Math.max(...slots)
        expect(stored).to.be.greaterThan(0)
        const expected = slots.map((_, i) => Math.max(0, stored - ((((stored - i) % SLOTS) + SLOTS) % SLOTS)))
        expect(slots).to.deep.equal(expected)
        expect(last(words)).to.be.oneOf([stored, stored + 1])
        const pmem = mount(folder, { capacity: '16MiB' })
        expect(pmem.open('a.pm').stat().blocks / 8).to.equal(slots.filter((slot) => slot > 0).length + 1)
        pmem.close()
      }
    })

    it('holes that were looked at are holes again at the next mount, of any kind', () => {
      for (const options of [ZERO_COPY, {}]) {
        const folder = tmpfsDirectory('killed')
        const { signal, reports, stderr } = runFixture('zero-copy.fixture', ['holes', folder])
        expect(signal, stderr).to.equal('SIGKILL')
        expect(reports).to.deep.equal([{ sum: 0, blocks: 9 * 8 }])
        expect(statSync(join(folder, 'a.pm')).blocks / 8, 'a page of zeroes for each hole').to.equal(64)
        const pmem = mount(folder, { capacity: '256KiB', ...options })
        expect(readdirSync(join(folder, '.faultline/mapped'))).to.deep.equal([])
        const extents = pmem.open('a.pm').stat().extents
        expect(extents.map(({ start, end, state }) => `${state} ${start / PAGE}-${end / PAGE}`)).to.deep.equal([
          'unwritten 8-9',
          'written 9-10',
          'unwritten 10-16',
          'written 20-21',
        ])
        expect([9 * PAGE, 20 * PAGE + 5].map((at) => bytes(pmem.open('a.pm').mmap())[at])).to.deep.equal([8, 7])
        pmem.close()
      }
    })
  })

  describe('when the thread that mounted is gone', () => {
    for (const end of ['terminate', 'exit']) {
      it(`calls are EIO, mappings are plain memory, and media is not cut (${end})`, () => {
        const folder = tmpfsDirectory('gone')
        const { status, reports, stderr } = runFixture('zero-copy.fixture', [end, folder])
        expect(status, stderr).to.equal(0)
        expect(reports).to.deep.equal([{ before: 7, unseen: 0, call: 'EIO', close: 'ok' }])
        const media = readFileSync(join(folder, 'a.pm'))
        expect([media.length, media[0], media[1], media[PAGE], media[3 * PAGE]]).to.deep.equal([8 * PAGE, 7, 11, 10, 9])
        const pmem = mount(folder, { capacity: '64KiB', ...ZERO_COPY })
        expect(pmem.open('a.pm').stat().blocks).to.equal(3 * 8)
        pmem.verify()
        pmem.close()
      })
    }
  })

  describe('is refused', () => {
    const refused = (options: MountOptions, path = pool.path): unknown => {
      try {
        mount(path, options).close()
      } catch (error) {
        return error
      }
      return 'mounted'
    }

    it('with what needs two copies, by name', () => {
      const wrong: [MountOptions, RegExp][] = [
        [{ zeroCopy: true }, /zeroCopy must be false unless domain is 'eadr'/],
        [{ zeroCopy: true, domain: 'adr' }, /unless domain is 'eadr'/],
        [{ ...ZERO_COPY, stores: 'traced' }, /zeroCopy must be false with stores: 'traced'/],
        [{ ...ZERO_COPY, inject: [] }, /zeroCopy must be false with inject/],
        [{ ...ZERO_COPY, mediaLatency: 1 }, /zeroCopy must be false with mediaLatency/],
      ]
      for (const [options, message] of wrong) {
        expect(refused(options)).to.be.instanceOf(RangeError).with.property('message').that.matches(message)
      }
      expect(refused({ ...ZERO_COPY, zeroCopy: 1 as never })).to.be.instanceOf(TypeError)
    })

    it('where the pool is not on tmpfs, with what mends it', function () {
      const folder = [temporaryDirectory(), fileURLToPath(new URL('.', import.meta.url))].find(
        (path) => !isOnTmpfs(path),
      )
      if (folder === undefined) return
      const path =
        folder.startsWith('/') && folder.includes('faultline-pool') ? folder : join(folder, 'pool-not-on-tmpfs')
      const error = refused(ZERO_COPY, path)
      expect(error).to.be.instanceOf(PmemError).with.include({ code: 'ENOTSUP', syscall: 'mount' })
      expect((error as Error).message).to.match(/zeroCopy needs a pool on tmpfs.*; mend: move the pool to \/dev\/shm/)
    })

    it('of a file that may not be written', () => {
      const { reports, stderr } = runFixture('zero-copy.fixture', ['read-only', tmpfsDirectory('read-only')])
      const { code, message } = reports[0]?.['readOnly'] as { code: string; message: string }
      expect(code, stderr).to.equal('ENOTSUP')
      expect(message).to.match(/zeroCopy maps no file that cannot be written; mend: .*open 'a\.pm'/)
    })
  })

  it('the environment sets the default of mounts that can have it, and of no others', () => {
    const isMapped = (options: MountOptions, path = tmpfsDirectory()): boolean => {
      const pmem = mount(path, options)
      const { zeroCopy } = machineOf(pmem).handle.config
      pmem.close()
      expect(zeroCopy).to.be.a('boolean')
      return zeroCopy === true
    }
    process.env['FAULTLINE_ZERO_COPY'] = '1'
    try {
      expect([{}, { domain: 'eadr' as const }].map((options) => isMapped(options))).to.deep.equal([true, true])
      const without: MountOptions[] = [{ domain: 'adr' }, { inject: [] }, { stores: 'traced' }, { zeroCopy: false }]
      expect(without.map((options) => isMapped(options))).to.deep.equal([false, false, false, false])
      process.env['FAULTLINE_ZERO_COPY'] = 'yes'
      expect(() => mount(pool.path)).to.throw(RangeError, /FAULTLINE_ZERO_COPY/)
    } finally {
      delete process.env['FAULTLINE_ZERO_COPY']
    }
  })
})

/** Kill a process that counts some time after it began. Return: what it wrote last, of the words of its file. */
async function killCounting(folder: string, milliseconds: number): Promise<(words: BigUint64Array) => number> {
  const script = fileURLToPath(new URL('./zero-copy.fixture.js', import.meta.url))
  const child = spawn(process.execPath, [script, 'count', folder], { stdio: ['ignore', 'pipe', 'inherit'] })
  const gone = once(child, 'exit')
  await once(child.stdout, 'data')
  await setTimeout(milliseconds)
  child.kill('SIGKILL')
  await gone
  return (words) => Number(words[0])
}
