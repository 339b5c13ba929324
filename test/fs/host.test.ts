/**
 * The host misbehaves: full, read-only, out of descriptors, threads or address space; media replaced underneath. Each
 * is an error with code, call and what mends it, and nothing that was acknowledged is lost. (Truncated and removed
 * media: pool.test.ts.)
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, renameSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { sharedFileSystem } from '../../lib/binding/file-system.js'
import { mount, probe } from '../../lib/index.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { temporaryDirectory } from '../support/temp.js'

const FIXTURE = fileURLToPath(new URL('./host.fixture.js', import.meta.url))
const PAGE = 4096

type Outcome = Record<'code' | 'message', string>

/** A mount namespace of one's own, in which to mount a small file system: as root, or in a user namespace. */
const NAMESPACE = [
  ['unshare', '--mount'],
  ['unshare', '--user', '--map-root-user', '--mount'],
].find(
  ([program, ...args]) =>
    spawnSync(program as string, [...args, 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], { stdio: 'ignore' }).status === 0,
)

describe('a host that misbehaves', function () {
  this.timeout(90_000)
  before(function () {
    requireUserfaultfd(this)
  })

  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the caller knows the report's shape
  function run<Report>(scenario: string, through: readonly string[] = []): Report {
    const [program, ...args] = [...through, process.execPath, FIXTURE, scenario, temporaryDirectory()]
    const { stdout, stderr, status, signal } = spawnSync(program, args, { encoding: 'utf8', timeout: 60_000 })
    expect({ status, signal }, stdout + stderr).to.deep.equal({ status: 0, signal: null })
    return JSON.parse(stdout) as Report
  }

  if (NAMESPACE === undefined)
    console.warn('      no mount namespaces here: a full and a read-only host are not tested')
  else {
    it('full: msync and fsync are ENOSPC, loads go on, and with room again everything is there', () => {
      const { store, msync, sync, seen, afterwards, wrong } = run<
        Record<'store' | 'msync' | 'sync' | 'afterwards', Outcome> & Record<'seen' | 'wrong', number>
      >('full', NAMESPACE)
      // tmpfs has no page for what is only looked at either: the access is the first to know.
      expect(store.code).to.be.oneOf(['EIO', 'ok'])
      expect(msync).to.include({ code: 'ENOSPC' })
      expect(sync.message).to.match(/^ENOSPC: .*fsync 'a\.pm'/)
      expect({ seen, afterwards: afterwards.code, wrong }).to.deep.equal({ seen: 1, afterwards: 'ok', wrong: 0 })
    })

    it('full where media is mapped itself: the access is SIGBUS, and nothing that was stored is lost', () => {
      const { store, load, sync, seen, atFirst, afterwards, wrong } = run<
        Record<'store' | 'load' | 'sync' | 'afterwards', Outcome> & { seen: boolean; atFirst: number; wrong: number }
      >('full-zero-copy', NAMESPACE)
      expect({ store: store.code, load: load.code, sync: sync.code }).to.deep.equal({
        store: 'EIO',
        load: 'EIO',
        sync: 'ENOSPC',
      })
      expect(atFirst).to.be.within(900, 1024)
      expect({ seen, afterwards: afterwards.code, wrong }).to.deep.equal({ seen: true, afterwards: 'ok', wrong: 0 })
    })

    it('full when the pool is closed: close is ENOSPC with the file, what was acknowledged is kept', () => {
      const { close, kept } = run<{ close: Outcome; kept: boolean }>('full-at-close', NAMESPACE)
      expect(close.message).to.match(/^ENOSPC: .*close 'a\.pm'/)
      expect(kept).to.equal(true)
    })

    it('read-only: mount is EROFS and says so, of a pool that is there and of one that is not', () => {
      const { first, fresh, byte } = run<{ first: Outcome; fresh: Outcome; byte: number }>('read-only', NAMESPACE)
      for (const each of [first, fresh]) expect(each.message).to.match(/^EROFS: .*read-only.*, mount '/)
      expect(byte).to.equal(3)
    })
  }

  it('out of descriptors: open, list, mount and a first msync are EMFILE with the mend; nothing leaks', () => {
    const report = run<Record<string, Outcome> & { leaked: number; opened: number }>('no-descriptors')
    expect(report['failed']?.message).to.match(/^EMFILE: .*raise ulimit -n, open 'f\d+\.pm'/)
    expect(report['list']?.message).to.match(/^EMFILE: .*readdir/)
    expect(report['second']?.message).to.match(/^EMFILE: .*raise ulimit -n, mount '/)
    expect(report['msync']?.code).to.be.oneOf(['ok', 'EMFILE'])
    // The thread of a worker needs a dozen, or, where it is not one bundled file, one for each module it is loading.
    expect(report['thread']?.message).to.match(/^$|^(EAGAIN: no thread for page faults|EMFILE: ).*ulimit -n/)
    for (const name of ['msyncThen', 'again']) expect(report[name], name).to.deep.equal({ code: 'ok', message: '' })
    expect(report.opened).to.be.above(3)
    expect(report.leaked).to.equal(0)
  })

  it('out of threads: mount is EAGAIN with the mend, at once, and leaves nothing; no watchdog is no error', () => {
    const report = run<Record<string, Outcome> & { leaked: number; quick: boolean }>('no-threads')
    for (const name of ['first', 'second']) {
      expect(report[name]?.message).to.match(/^EAGAIN: no thread for page faults .*raise ulimit -u.*, mount '/)
    }
    for (const name of ['withoutWatchdog', 'works']) expect(report[name]?.code, name).to.equal('ok')
    expect({ leaked: report.leaked, quick: report.quick }).to.deep.equal({ leaked: 0, quick: true })
  })

  // AddressSanitizer takes all of it.
  if (!(process.env['LD_PRELOAD'] ?? '').includes('libasan'))
    it('out of address space: open, mmap and mount are ENOMEM with the mend; less of it works', () => {
      const report = run<Record<string, Outcome> & { leaked: number; names: string[] }>('no-memory')
      expect(report['open']?.message).to.match(/^ENOMEM: no \d+ MiB of address space.*smaller maxSize, open 'a\.pm'/)
      expect(report['mapped']?.message).to.match(/^ENOMEM: no address space left .*mmap 'b\.pm'/)
      expect(report['second']?.message).to.match(/^ENOMEM: no \d+ MiB of address space for tables: .*, mount/)
      expect(report['small']).to.deep.equal({ code: 'ok', message: '' })
      expect({ leaked: report.leaked, names: report.names }, 'of the open that failed').to.deep.equal({
        leaked: 0,
        names: [],
      })
    })

  it('media that a stranger replaces: who has it open goes on with the old file, the next open has the new one', () => {
    const folder = temporaryDirectory()
    const pmem = mount(folder)
    const file = pmem.open('a.pm', { create: true, size: 2 * PAGE })
    const map = file.mmap()
    map.tryWrite(0, Uint8Array.of(1))
    map.msync()
    mkdirSync(join(folder, 'elsewhere'))
    writeFileSync(join(folder, 'elsewhere/b'), Buffer.alloc(3 * PAGE, 9))
    renameSync(join(folder, 'elsewhere/b'), join(folder, 'a.pm'))
    map.tryWrite(1, Uint8Array.of(2))
    map.msync()
    expect([...map.tryRead(0, 2)]).to.deep.equal([1, 2])
    map.unmap()
    file.close()
    const again = pmem.open('a.pm')
    expect([again.size, again.mmap().tryRead(PAGE, 1)[0]]).to.deep.equal([3 * PAGE, 9])
    pmem.close()
  })

  it('a pool on a file system shared with other hosts is told of, by name; a local one is not', () => {
    const names = [0x6969, -11317950, 0xfe534d42, 0x01021997, 0x65735546, 0xef53, 0x01021994].map(sharedFileSystem)
    expect(names).to.deep.equal(['nfs', 'cifs', 'smb2', '9p', 'fuse', undefined, undefined])
    const folder = temporaryDirectory()
    const row = probe(folder).find(({ name }) => name === 'local file system')
    expect(row?.needed).to.equal(false)
    expect(row?.ok).to.equal(sharedFileSystem(statfsSync(folder).type) === undefined)
  })
})
