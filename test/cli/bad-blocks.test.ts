/** A bad-block run by the command line: what ndctl and libpmem2's tests do to a real namespace. */
import { expect } from 'chai'
import { mount } from '../../lib/index.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { temporaryDirectory } from '../support/temp.js'
import { runCli } from './run-cli.js'

const PAGE = 4096

describe('cli: memory errors', () => {
  let pool: string

  before(function () {
    requireUserfaultfd(this)
    this.timeout(60_000)
  })
  beforeEach(() => {
    pool = temporaryDirectory()
    const pmem = mount(pool)
    for (const name of ['a.pm', 'b.pm']) {
      const file = pmem.open(name, { create: true, size: 4 * PAGE })
      file.write(Buffer.alloc(4 * PAGE, 7), 0)
    }
    pmem.close()
  })

  function ok(...args: string[]): string {
    const { status, stdout, stderr } = runCli(args)
    expect(status, stderr).to.equal(0)
    return stdout
  }

  it('K99, K108: inject, list, clear, rewrite, read back', function () {
    this.timeout(60_000)
    expect(ok('badblocks', pool)).to.equal('no bad blocks\n')
    expect(ok('poison', pool, 'a.pm', '--offset', '4KiB', '--length', '600')).to.match(/^2 blocks of 512 bytes/)
    ok('poison', pool, 'b.pm', '--offset', '0', '--length', '1', '--latent')
    const listed = { file: 'a.pm', badblock_count: 2, badblocks: [{ offset: 8, length: 2 }] }
    expect(JSON.parse(ok('badblocks', pool, '--json'))).to.deep.equal([listed])
    expect(ok('badblocks', pool)).to.match(/a\.pm +│ +8 +│ +2 +│ +4096/)
    const none = { file: 'b.pm', badblock_count: 0, badblocks: [] }
    expect(JSON.parse(ok('badblocks', pool, 'b.pm', '--json'))).to.deep.equal(none)
    let pmem = mount(pool)
    const map = pmem.open('a.pm').mmap()
    expect(() => map.tryRead(PAGE, 1)).to.throw('EIO')
    expect(JSON.parse(ok('badblocks', pool, 'a.pm', '--json')), 'of a mounted pool').to.deep.equal(listed)
    const refused = runCli(['clear', pool, 'a.pm', '--offset', '0', '--length', '1'])
    expect([refused.status, refused.stderr]).to.satisfy(([status, stderr]: [number, string]) => {
      return status === 1 && /^faultline: EBUSY/.test(stderr)
    })
    pmem.close()
    expect(ok('clear', pool, 'a.pm', '--offset', '0', '--length', '16KiB')).to.match(/^2 blocks .* cleared/)
    expect(ok('badblocks', pool)).to.equal('no bad blocks\n')
    pmem = mount(pool)
    const again = pmem.open('a.pm').mmap()
    expect([again.tryRead(PAGE, 1)[0], again.tryRead(PAGE + 1024, 1)[0]]).to.deep.equal([0, 7])
    again.tryWrite(PAGE, Buffer.alloc(PAGE, 9))
    again.msync()
    expect(again.tryRead(PAGE, 1)[0]).to.equal(9)
    expect(() => pmem.open('b.pm').mmap().tryRead(0, 1), 'the latent one').to.throw('EIO')
    pmem.close()
  })

  const wrong: [string[], number, RegExp][] = [
    [['poison', 'POOL', '--offset', '0', '--length', '1'], 2, /missing required argument 'file'/],
    [['poison', 'POOL', 'a.pm', '--length', '1'], 2, /required option '--offset/],
    [['clear', 'POOL', 'a.pm', '--offset', '1 furlong', '--length', '1'], 2, /at least 0 bytes/],
    [['poison', 'POOL', 'a.pm', '--offset', '0', '--length', '0'], 2, /at least 1 bytes/],
    [['poison', 'POOL', 'none.pm', '--offset', '0', '--length', '1'], 1, /^faultline: ENOENT/],
    [['poison', 'POOL', 'a.pm', '--offset', '1MiB', '--length', '1'], 1, /no written blocks there/],
    [['badblocks', '/nonexistent'], 1, /is not a pool/],
  ]
  for (const [args, status, says] of wrong) {
    it(`says what is wrong: ${args.join(' ')}`, function () {
      this.timeout(30_000)
      const result = runCli(args.map((arg) => (arg === 'POOL' ? pool : arg)))
      expect(result.status).to.equal(status)
      expect(result.stderr).to.match(says)
    })
  }
})
