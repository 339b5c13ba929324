/** Rules of what is to fail: whom they hit, how, and how they are written. */
import { expect } from 'chai'
import { join } from 'node:path'
import { readFileSync } from 'node:fs'
import { type DaxFile, type InjectRule, type Pmem, PmemError, mount } from '../../lib/index.js'
import { parseRules, resolveRules, ruleText } from '../../lib/inject-rules.js'
import { runCli } from '../cli/run-cli.js'
import { runFixture } from '../fs/run-fixture.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { temporaryDirectory } from '../support/temp.js'

describe('injected failures, rules', () => {
  let pool: string
  let pmem: Pmem
  let file: DaxFile

  beforeEach(function () {
    requireUserfaultfd(this)
    pool = temporaryDirectory()
    pmem = mount(pool, { inject: [] })
    file = pmem.open('a.pm', { create: true, size: 64 * 4096 })
    file.write(Buffer.alloc(64 * 4096, 1), 0)
    file.sync()
  })

  afterEach(() => {
    if (pmem.isClosed) return
    pmem.inject([])
    pmem.close()
  })

  /** Ten times: change a page, sync. Return: which of the syncs failed, from 1 on. */
  function failures(rules: readonly InjectRule[]): number[] {
    pmem.inject(rules)
    const failed: number[] = []
    for (let i = 1; i <= 10; i++) {
      file.write(Buffer.alloc(4096, i + 1), 0)
      try {
        file.sync()
      } catch (error) {
        expect(error).to.be.instanceOf(PmemError).with.property('code', rules[0]?.error)
        failed.push(i)
      }
    }
    return failed
  }

  it('the Nth, and as many after it as count says', () => {
    expect(failures([{ operation: 'media-write', error: 'EIO', nth: 3 }])).to.deep.equal([3])
    expect(failures([{ operation: 'media-write', error: 'EDQUOT', nth: 3, count: 2 }])).to.deep.equal([3, 4])
    expect(failures([{ operation: 'media-write', error: 'ENOSPC', nth: 8, count: Infinity }])).to.deep.equal([8, 9, 10])
    expect(failures([{ operation: 'media-write', error: 'EIO', count: 1 }])).to.deep.equal([1])
    expect(pmem.injected()['media-write']).to.deep.equal({ made: 10, failed: 1, delayed: 0 })
  })

  it('by chance: the same ones for the same seed', () => {
    const rule = { operation: 'media-write', error: 'EIO', probability: 0.5 } as const
    const drawn = failures([{ ...rule, seed: 1 }])
    expect(drawn.length).to.be.within(1, 9)
    expect(failures([{ ...rule, seed: 1 }])).to.deep.equal(drawn)
    expect(failures([{ ...rule, seed: 4 }])).not.to.deep.equal(drawn)
    expect(failures([{ ...rule, probability: 0 }])).to.deep.equal([])
  })

  it('one file of many', () => {
    expect(failures([{ operation: 'media-write', error: 'EIO', file: 'b.pm' }])).to.deep.equal([])
    expect(failures([{ operation: 'media-write', error: 'EIO', file: 'a.pm', nth: 2 }])).to.deep.equal([2])
  })

  it('an error of a load, a store and a read', () => {
    pmem.crash()
    const map = file.mmap()
    pmem.inject([{ operation: 'media-read', error: 'EIO' }])
    expect(() => map.tryRead(0, 1)).to.throw(PmemError, /^EIO/)
    expect(() => map.tryWrite(4096, Buffer.from('x'))).to.throw(PmemError, /^EIO/)
    expect(() => file.read(Buffer.alloc(1), 8192)).to.throw(PmemError, /^EIO/)
    pmem.inject([])
    expect([...map.tryRead(0, 1)]).to.deep.equal([1])
    expect(pmem.injected()['media-read'].made).to.be.at.least(1)
  })

  it('an error told once to each open of the file, when it was one of writeback', () => {
    const other = pmem.open('a.pm')
    expect(failures([{ operation: 'media-write', error: 'EIO', nth: 10 }])).to.deep.equal([10])
    expect(() => other.sync()).to.throw(PmemError, /^EIO/)
    other.sync()
    file.sync()
  })

  it('a delay', () => {
    pmem.inject([{ operation: 'media-write', delay: '30ms', nth: 1 }])
    file.write(Buffer.alloc(4096, 9), 0)
    const began = performance.now()
    file.sync()
    expect(performance.now() - began).to.be.above(29)
    expect(pmem.injected()['media-write']).to.deep.equal({ made: 1, failed: 0, delayed: 1 })
  })

  it('a torn write: some lines arrive, and the call fails', () => {
    pmem.inject([{ operation: 'media-write', error: 'EIO', torn: true, nth: 1, seed: 5 }])
    file.write(Buffer.alloc(64 * 4096, 9), 0)
    expect(() => file.sync()).to.throw(PmemError, /^EIO/)
    pmem.crash()
    const bytes = readFileSync(join(pool, 'a.pm'))
    const lines = Array.from({ length: bytes.length / 64 }, (_, i) => [...new Set(bytes.subarray(i * 64, i * 64 + 64))])
    expect(
      lines.every(({ length }) => length === 1),
      'lines are whole',
    ).to.equal(true)
    expect(lines.filter(([byte]) => byte === 9).length).to.be.within(lines.length / 4, (lines.length * 3) / 4)
  })

  it('the end of the process, which is a power failure in the middle of a write', () => {
    pmem.close()
    const { signal, reports } = runFixture('../inject/killed.fixture', [pool])
    expect(signal).to.equal('SIGKILL')
    expect(reports).to.deep.equal([{ synced: 1 }, { synced: 2 }])
    pmem = mount(pool, { inject: [] })
    const bytes = Buffer.alloc(4096)
    pmem.open('a.pm').read(bytes, 0)
    expect([...new Set(bytes)].sort(), 'old lines and new ones').to.deep.equal([2, 3])
  })

  it('none without the option, and that is said', () => {
    using plain = mount(temporaryDirectory())
    expect(() => plain.inject([])).to.throw(PmemError, /^ENOTSUP: the pool was mounted without the option inject/)
    expect(() => plain.injected()).to.throw(PmemError, /^ENOTSUP/)
  })

  it('in words, from the environment and the command line', () => {
    const text =
      'media-write:EIO:nth=3:count=Infinity,media-read:delay=50us,media-write:torn:kill:probability=0.5:seed=7'
    const rules = parseRules('rules', `${text},sync:ENOSPC:file=a.pm`)
    expect(rules[1]).to.deep.equal({ operation: 'media-read', delay: '50us' })
    expect(resolveRules('rules', rules)).to.deep.equal(
      resolveRules('rules', parseRules('rules', rules.map(ruleText).join(','))),
    )
    process.env['FAULTLINE_INJECT'] = 'resize:EIO:nth=1'
    try {
      using other = mount(temporaryDirectory())
      const grown = other.open('b.pm', { create: true })
      expect(() => grown.truncate(1)).to.throw(PmemError, /^EIO/)
    } finally {
      delete process.env['FAULTLINE_INJECT']
    }
    const { status, stderr } = runCli(['stress', '--inject', 'media-write:EPERM'])
    expect(status).to.equal(2)
    expect(stderr).to.match(/must be made of an operation, then :EIO, .* but received 'EPERM'/)
  })
})
