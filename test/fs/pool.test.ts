/** The pool directory and what others may do to it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { PmemError, type Pmem, mount } from '../../lib/index.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { temporaryDirectory } from '../support/temp.js'
import { runFixture } from './run-fixture.js'

const PAGE = 4096

describe('a pool', () => {
  let folder: string
  const open: Pmem[] = []

  beforeEach(function () {
    requireUserfaultfd(this)
    folder = temporaryDirectory()
  })
  afterEach(() => {
    for (const pmem of open.splice(0)) pmem.close()
  })
  function mounted(path = folder): Pmem {
    const pmem = mount(path)
    open.push(pmem)
    return pmem
  }
  function expectFailure(call: () => unknown, code: string, says: RegExp): void {
    expect(call).to.throw(PmemError, says).with.property('code', code)
  }

  it('is made when it is missing, parents too, and keeps its files', () => {
    const path = join(folder, 'not', 'yet')
    const pmem = mounted(path)
    expect(pmem.root).to.equal(path)
    expect(pmem.list()).to.deep.equal([])
    pmem.open('b.pm', { create: true })
    pmem.open('a.pm', { create: true })
    expect(pmem.list()).to.deep.equal(['a.pm', 'b.pm'])
    pmem.close()
    expect(mounted(path).list()).to.deep.equal(['a.pm', 'b.pm'])
  })

  it('is not a file, nor below one', () => {
    const path = join(folder, 'file')
    writeFileSync(path, 'x')
    expectFailure(() => mount(path), 'ENOTDIR', /^ENOTDIR.*mount '.*file'/)
    expectFailure(() => mount(join(path, 'below')), 'ENOTDIR', /^ENOTDIR/)
    expect(readFileSync(path, 'utf8')).to.equal('x')
  })

  it('that may not be read is EACCES for who is not root', () => {
    const result = runFixture('unprivileged.fixture', [folder])
    expect(result.reports[0], result.stderr).to.deep.include({ mount: 'EACCES' })
  })

  it('is mounted once: EBUSY with the pid, in this process', () => {
    mounted()
    expectFailure(() => mount(folder), 'EBUSY', new RegExp(`^EBUSY.*mounted by this process \\(pid ${process.pid}\\)`))
    symlinkSync(folder, `${folder}-link`)
    expectFailure(() => mount(`${folder}-link`), 'EBUSY', /^EBUSY/)
    unlinkSync(`${folder}-link`)
  })

  it('is mounted once: EBUSY with the pid, from another process, until that dies', async () => {
    const script = fileURLToPath(new URL('./holder.fixture.js', import.meta.url))
    const child = spawn(process.execPath, [script, folder], { stdio: ['pipe', 'pipe', 'inherit'] })
    await once(child.stdout, 'data')
    expectFailure(() => mount(folder), 'EBUSY', new RegExp(`^EBUSY.*mounted by process ${child.pid}`))
    child.kill('SIGKILL')
    await once(child, 'exit')
    mounted()
  })

  it('is left free by a mount that failed', () => {
    const before = runFixture('unprivileged.fixture', [folder, 'capacity'])
    expect(before.reports[0], before.stderr).to.include({ first: 'ENOSPC', second: 'ok', leaked: 0 })
  })

  it('has regular files only: links, directories and hidden names are none', () => {
    const pmem = mounted()
    writeFileSync(join(folder, 'target'), Buffer.alloc(PAGE, 1))
    symlinkSync(join(folder, 'target'), join(folder, 'link.pm'))
    symlinkSync('/etc/passwd', join(folder, 'escape.pm'))
    mkdirSync(join(folder, 'folder.pm'))
    expect(pmem.list()).to.deep.equal(['target'])
    expectFailure(() => pmem.open('link.pm'), 'ELOOP', /^ELOOP: a symbolic link.*open 'link.pm'/)
    expectFailure(() => pmem.open('escape.pm', { readOnly: true }), 'ELOOP', /^ELOOP/)
    expect(() => pmem.open('folder.pm')).to.throw(PmemError, /^(EISDIR|EINVAL).*open 'folder.pm'/)
    expect(() => pmem.open('folder.pm', { readOnly: true })).to.throw(PmemError, /^(EISDIR|EINVAL)/)
    expect(() => {
      pmem.unlink('folder.pm')
    }).to.throw(PmemError, /unlink 'folder.pm'/)
    expectFailure(() => pmem.open('none.pm'), 'ENOENT', /^ENOENT: no such file, open 'none.pm'/)
    expectFailure(() => pmem.open('target', { create: true, exclusive: true }), 'EEXIST', /^EEXIST/)
    expectFailure(
      () => {
        pmem.unlink('none.pm')
      },
      'ENOENT',
      /^ENOENT/,
    )
    expect(pmem.stats().memory.inodes, 'nothing is left of failed opens').to.equal(0)
  })

  it('file opened read-only refuses stores, writes and changes, and reads', () => {
    const pmem = mounted()
    writeFileSync(join(folder, 'a.pm'), Buffer.alloc(2 * PAGE, 5))
    const file = pmem.open('a.pm', { readOnly: true })
    expectFailure(() => file.write(Buffer.alloc(1), 0), 'EBADF', /read-only/)
    expectFailure(
      () => {
        file.truncate(0)
      },
      'EBADF',
      /read-only/,
    )
    expectFailure(
      () => {
        file.fallocate({ mode: 'punch', offset: 0, length: 1 })
      },
      'EBADF',
      /read-only/,
    )
    expectFailure(() => file.mmap(), 'EACCES', /read-only/)
    const map = file.mmap({ protection: 'r' })
    expect(new Uint8Array(map.buffer)[PAGE]).to.equal(5)
    expectFailure(
      () => {
        map.tryWrite(0, Buffer.alloc(1))
      },
      'EACCES',
      /read-only/,
    )
    const copy = new Uint8Array(file.mmap({ sharing: 'private' }).buffer)
    copy[0] = 6
    file.sync()
    expect([copy[0], new Uint8Array(map.buffer)[0]]).to.deep.equal([6, 5])
    expect(readFileSync(join(folder, 'a.pm'))[0]).to.equal(5)
  })

  it('media that a stranger unlinks stays usable by who has it open', () => {
    const pmem = mounted()
    const file = pmem.open('a.pm', { create: true, size: PAGE })
    const map = file.mmap()
    unlinkSync(join(folder, 'a.pm'))
    const bytes = new Uint8Array(map.buffer)
    bytes[5] = 5
    map.msync()
    expect(pmem.list()).to.deep.equal([])
    pmem.crash()
    expect(bytes[5]).to.equal(5)
    expectFailure(
      () => {
        pmem.unlink('a.pm')
      },
      'ENOENT',
      /^ENOENT/,
    )
  })

  it('media that a stranger truncates is an error, not death or zeroes', () => {
    const pmem = mounted()
    const path = join(folder, 'a.pm')
    writeFileSync(path, Buffer.alloc(8 * PAGE, 7))
    const file = pmem.open('a.pm')
    const map = file.mmap()
    expect(map.tryRead(0, 1)[0]).to.equal(7)
    truncateSync(path, 2 * PAGE)
    expect(() => map.tryRead(4 * PAGE, 1))
      .to.throw(PmemError, /^EIO/)
      .with.property('offset', 4 * PAGE)
    expect(() => file.read(Buffer.alloc(10), 4 * PAGE)).to.throw(PmemError, /^EIO/)
    expect(map.tryRead(PAGE, 1)[0]).to.equal(7)
    // Others go on, and the mount is not dead.
    const other = pmem.open('b.pm', { create: true, size: PAGE })
    new Uint8Array(other.mmap().buffer)[0] = 1
    other.sync()
  })

  it('whose directory vanishes gives errors', () => {
    const path = join(folder, 'pool')
    const pmem = mounted(path)
    const file = pmem.open('a.pm', { create: true, size: PAGE })
    const bytes = new Uint8Array(file.mmap().buffer)
    rmSync(path, { recursive: true })
    bytes[0] = 1
    file.sync()
    expectFailure(() => pmem.list(), 'ENOENT', /^ENOENT/)
    expectFailure(() => pmem.open('b.pm', { create: true }), 'ENOENT', /^ENOENT/)
    expectFailure(
      () => {
        pmem.unlink('a.pm')
      },
      'ENOENT',
      /^ENOENT/,
    )
  })

  it('file that may not be written is EACCES, and opens read-only', () => {
    const result = runFixture('unprivileged.fixture', [folder, 'file'])
    expect(result.reports[0], result.stderr).to.deep.include({ writable: 'EACCES', readOnly: 'ok', byte: 9 })
    chmodSync(folder, 0o700)
  })
})
