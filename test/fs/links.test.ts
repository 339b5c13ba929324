/**
 * What strangers may plant in a pool: links, pipes, things that are no notes. Nothing is followed out of the pool,
 * nothing behind a link is read, changed or removed, and nothing is waited for. And what strangers may see.
 */
import { spawnSync } from 'node:child_process'
import {
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { addon } from '../../lib/binding/load.js'
import { PmemError, mount } from '../../lib/index.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { temporaryDirectory } from '../support/temp.js'

const PAGE = 4096
const SECRET = 'a file of others'
const KINDS = ['blocks', 'badblocks'] as const

describe('planted in a pool', () => {
  let pool: string
  /** A directory of others, with files named like ours. */
  let outside: string

  beforeEach(function () {
    requireUserfaultfd(this)
    pool = temporaryDirectory()
    outside = temporaryDirectory('outside')
    for (const name of ['a.pm', 'lock', 'b.pm']) writeFileSync(join(outside, name), SECRET)
  })
  afterEach(() => {
    expect(readdirSync(outside).sort(), 'nothing is made or removed outside').to.deep.equal(['a.pm', 'b.pm', 'lock'])
    for (const name of readdirSync(outside)) expect(readFileSync(join(outside, name), 'utf8')).to.equal(SECRET)
  })

  function fails(call: () => unknown, ...codes: string[]): void {
    let code = 'nothing'
    try {
      call()
    } catch (error) {
      expect(error).to.be.instanceOf(PmemError)
      code = (error as PmemError).code
    }
    expect(code).to.be.oneOf(codes)
  }

  it('.faultline as a link to elsewhere: mount is ELOOP or ENOTDIR', () => {
    symlinkSync(outside, join(pool, '.faultline'))
    fails(() => mount(pool), 'ELOOP', 'ENOTDIR')
  })

  it('the lock as a link, a hard link or a pipe: mount is an error', () => {
    mkdirSync(join(pool, '.faultline'))
    const lock = join(pool, '.faultline/lock')
    symlinkSync(join(outside, 'lock'), lock)
    fails(() => mount(pool), 'ELOOP')
    rmSync(lock)
    linkSync(join(outside, 'lock'), lock)
    fails(() => mount(pool), 'EMLINK')
    rmSync(lock)
    spawnSync('mkfifo', [lock])
    fails(() => mount(pool), 'EINVAL')
    rmSync(lock)
    mount(pool).close()
  })

  for (const kind of KINDS) {
    it(`the directory of notes (${kind}) as a link: mount is ELOOP or ENOTDIR`, () => {
      mkdirSync(join(pool, '.faultline'))
      symlinkSync(outside, join(pool, '.faultline', kind))
      fails(() => mount(pool), 'ELOOP', 'ENOTDIR')
    })

    it(`the directory of notes (${kind}) that becomes a link during the mount: nothing is removed`, () => {
      const pmem = mount(pool)
      const file = pmem.open('a.pm', { create: true, size: 4 * PAGE })
      file.write(Buffer.alloc(4 * PAGE, 1), 0)
      file.sync()
      renameSync(join(pool, '.faultline', kind), join(pool, '.faultline/was'))
      symlinkSync(outside, join(pool, '.faultline', kind))
      for (const call of [
        () => file.fallocate({ offset: 4 * PAGE, length: PAGE }),
        () => {
          file.sync()
        },
        () => pmem.poison(file, 0, 1),
        () => pmem.clearPoison(file, 0, 1),
        () => {
          pmem.rename('a.pm', 'b.pm')
        },
        () => pmem.badBlocks(),
        () => {
          pmem.unlink('b.pm')
        },
        () => {
          pmem.unlink('a.pm')
        },
        () => {
          pmem.close()
        },
      ]) {
        try {
          call()
        } catch (error) {
          expect(error).to.be.instanceOf(PmemError)
        }
      }
    })

    const told = kind === 'badblocks' ? 'open is EIO and says which list' : 'data is read all the same'
    it(`notes (${kind}) as links, hard links, pipes and nonsense: ${told}`, () => {
      let pmem = mount(pool)
      pmem.open('a.pm', { create: true }).write(Buffer.alloc(PAGE, 7), 0)
      pmem.close()
      const note = join(pool, '.faultline', kind, 'a.pm')
      const plants = [
        () => {
          symlinkSync(join(outside, 'a.pm'), note)
        },
        () => {
          linkSync(join(outside, 'a.pm'), note)
        },
        () => {
          spawnSync('mkfifo', [note])
        },
        () => {
          writeFileSync(note, '{"format":1,"unwritten":[[0,1e300]],"written":[[-1,5]],"bad":"all"}')
        },
        () => {
          writeFileSync(note, Buffer.alloc(1000, 0xff))
        },
      ]
      for (const plant of plants) {
        rmSync(note, { force: true })
        plant()
        pmem = mount(pool)
        if (kind === 'badblocks') {
          // Which pages are bad is not known any more: nobody is given bytes of them as if they were good.
          expect(() => pmem.open('a.pm')).to.throw(
            PmemError,
            /^EIO: its list of bad blocks, \.faultline\/badblocks\/a\.pm/,
          )
        } else expect(pmem.open('a.pm').mmap().tryRead(0, 1)[0]).to.equal(7)
        try {
          pmem.close()
        } catch (error) {
          expect(error).to.be.instanceOf(PmemError)
        }
      }
    })
  }

  it('media as a link to a file or directory outside, or as a pipe: not listed, not opened, not followed', () => {
    symlinkSync(join(outside, 'a.pm'), join(pool, 'link.pm'))
    symlinkSync(outside, join(pool, 'folder.pm'))
    symlinkSync(join(outside, 'new.pm'), join(pool, 'dangling.pm'))
    spawnSync('mkfifo', [join(pool, 'pipe.pm')])
    const pmem = mount(pool)
    expect(pmem.list()).to.deep.equal([])
    for (const name of ['link.pm', 'folder.pm', 'dangling.pm']) {
      fails(() => pmem.open(name, { create: true }), 'ELOOP')
      fails(() => pmem.open(name, { readOnly: true }), 'ELOOP')
    }
    fails(() => pmem.open('pipe.pm'), 'EINVAL')
    pmem.open('x.pm', { create: true }).close()
    pmem.rename('x.pm', 'link.pm')
    pmem.unlink('dangling.pm')
    expect(existsSync(join(pool, 'dangling.pm'))).to.equal(false)
    pmem.close()
  })

  it('names that leave the pool are no names', () => {
    using pmem = mount(pool)
    for (const name of ['../a.pm', '/etc/passwd', '..', '.', '', '.faultline', 'x/y', 'x/../../a.pm', 'a\0b']) {
      for (const call of [
        () => pmem.open(name, { create: true }),
        () => {
          pmem.unlink(name)
        },
        () => {
          pmem.rename(name, 'b')
        },
        () => pmem.poison(name, 0, 1),
      ]) {
        expect(call, name).to.throw(RangeError)
      }
    }
  })
})

describe('what strangers can see of a pool', () => {
  it('files are 0600, directories that mount makes 0700, whatever the umask', function () {
    requireUserfaultfd(this)
    const before = process.umask(0)
    try {
      const pool = join(temporaryDirectory(), 'new')
      const pmem = mount(pool)
      const file = pmem.open('a.pm', { create: true, size: PAGE })
      file.fallocate({ offset: 0, length: PAGE })
      file.write(Buffer.alloc(PAGE, 1), 0)
      file.sync()
      pmem.poison(file, 0, 1)
      pmem.open('b.pm', { create: true, mode: 0o640 })
      pmem.close()
      const modeOf = (name: string): string => (statSync(join(pool, name)).mode & 0o777).toString(8)
      for (const name of ['', '.faultline', '.faultline/blocks', '.faultline/badblocks']) {
        expect(modeOf(name), name).to.equal('700')
      }
      for (const name of ['a.pm', '.faultline/lock', '.faultline/badblocks/a.pm']) {
        expect(modeOf(name), name).to.equal('600')
      }
      expect(modeOf('b.pm')).to.equal('640')
    } finally {
      process.umask(before)
    }
  })

  it('caches are 0600, never executable, and closed to further seals', () => {
    const fd = addon.createMemfd('sealed', PAGE)
    try {
      const { mode } = statSync(`/proc/self/fd/${fd}`)
      expect((mode & 0o777).toString(8)).to.equal('600')
      const script = `import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
print(fcntl.fcntl(fd, 1034))
try:
  fcntl.fcntl(fd, 1033, 2)
  print('sealed against shrinking')
except PermissionError:
  print('closed')`
      const { stdout } = spawnSync('python3', ['-c', script, `/proc/${process.pid}/fd/${fd}`], { encoding: 'utf8' })
      const [seals, outcome] = stdout.trim().split('\n')
      // F_SEAL_SEAL, and F_SEAL_EXEC since Linux 6.3; neither of the seals on size and writing.
      expect(Number(seals) & ~0x20).to.equal(1)
      expect(outcome).to.equal('closed')
    } finally {
      addon.closeFd(fd)
    }
  })

  it('a cache that a stranger cuts short is an error of its pages; media has what was synced', function () {
    requireUserfaultfd(this)
    const pool = temporaryDirectory()
    const pmem = mount(pool)
    const map = pmem.open('a.pm', { create: true, size: 8 * PAGE }).mmap()
    map.tryWrite(0, Buffer.alloc(8 * PAGE, 3))
    map.msync()
    const fd = readdirSync('/proc/self/fd').find((name) => {
      try {
        return statSync(`/proc/self/fd/${name}`).size === 8 * PAGE && statSync(`/proc/self/fd/${name}`).nlink === 0
      } catch {
        return false
      }
    })
    truncateSync(`/proc/self/fd/${fd ?? 'none'}`, PAGE)
    expect(() => map.tryRead(4 * PAGE, 1))
      .to.throw(PmemError, /^EIO/)
      .with.property('offset', 4 * PAGE)
    expect(map.tryRead(0, 1)[0]).to.equal(3)
    try {
      pmem.close()
    } catch (error) {
      expect(error).to.be.instanceOf(PmemError)
    }
    expect(readFileSync(join(pool, 'a.pm')).equals(Buffer.alloc(8 * PAGE, 3))).to.equal(true)
  })
})
