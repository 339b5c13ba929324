/** The watchdog: what is stuck is told while it is, once, with who holds what; nothing else is ever told. */
import { expect } from 'chai'
import { mount } from '../../lib/index.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { temporaryDirectory } from '../support/temp.js'
import { type FixtureResult, runFixture } from './run-fixture.js'

describe('the watchdog', function () {
  this.timeout(60_000)
  before(function () {
    requireUserfaultfd(this)
  })

  function run(scenario: string): FixtureResult {
    const result = runFixture('watchdog.fixture', [scenario, temporaryDirectory()], 30_000)
    expect(result.status, result.stderr).to.equal(0)
    return result
  }
  /** Lines of the warning. */
  function warnings({ stderr }: FixtureResult): string[] {
    return stderr.split('\n').filter((line) => line.includes('warning FAULTLINE_STUCK'))
  }

  it('tells of a page fault that is not answered, while the main thread is asleep in it', () => {
    const result = run('fault')
    const told = warnings(result)
    expect(told, result.stderr).to.have.lengthOf(1)
    expect(told[0]).to.match(/a page fault of thread \d+ has not been answered for \d\.\d s; mount '\/.*'$/)
    expect(result.stderr)
      .to.match(/record \d+, fault worker \(kernel thread \d+\): inside a page fault/)
      .and.to.match(/inode 1 'a\.pm': i_pages locked/)
    expect(Object.assign({}, ...result.reports)).to.deep.equal({ byte: 0, done: true })
  })

  it('tells of a call that does not return, by name', () => {
    const result = run('call')
    const told = warnings(result)
    expect(told, result.stderr).to.have.lengthOf(1)
    expect(told[0]).to.match(/fsync of thread \d+ has not returned for/)
    expect(result.stderr)
      .to.match(/user \(kernel thread \d+\): inside fsync/)
      .and.to.match(/Sync locked/)
    expect(result.reports).to.deep.equal([{ done: true }])
  })

  it('says nothing of a mount that is idle, and then busy', () => {
    expect(run('idle').stderr).to.equal('')
  })

  it('can be turned off', () => {
    expect(run('off')).to.include({ stderr: '' })
  })

  it('takes a number of seconds', () => {
    for (const watchdog of [-1, 3601, NaN]) {
      expect(() => mount(temporaryDirectory(), { watchdog })).to.throw(RangeError, /^watchdog must be from 0 to 3600/)
    }
    expect(() => mount(temporaryDirectory(), { watchdog: '5' as unknown as number })).to.throw(TypeError, /seconds/)
  })
})
