/** A process that has hardly any descriptors left: all or nothing, and nothing is kept. */
import { expect } from 'chai'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { temporaryDirectory } from '../support/temp.js'
import { type FixtureResult, runFixture } from './run-fixture.js'

/** Names before, and after what succeeds. */
const BEFORE = ['b.pm', 'bad.pm', 'data.pm', 'dirty.pm']
const AFTER: Record<string, readonly string[]> = {
  create: [...BEFORE, 'new.pm'],
  open: BEFORE,
  unlink: ['bad.pm', 'data.pm', 'dirty.pm'],
  rename: ['bad.pm', 'c.pm', 'data.pm', 'dirty.pm'],
  'rename over': ['bad.pm', 'data.pm', 'dirty.pm'],
  list: BEFORE,
  poison: BEFORE,
  badBlocks: BEFORE,
  clearPoison: BEFORE,
  sync: BEFORE,
  crash: BEFORE,
  mount: BEFORE,
}

interface Attempt {
  readonly name: string
  readonly left: number
  readonly code: string
  readonly message: string
  readonly kept: number
  readonly names: readonly string[]
  readonly byte: number
  readonly sound: { readonly code: string; readonly message: string }
}

describe('with few descriptors left', function () {
  this.timeout(90_000)
  let result: FixtureResult

  before(function () {
    requireUserfaultfd(this)
    result = runFixture('few-descriptors.fixture', [temporaryDirectory()], 80_000)
  })

  // Threads that load module by module, as coverage has them, take a descriptor for each.
  const names = Object.entries(AFTER).filter(
    ([name]) => name !== 'mount' || process.env['NODE_V8_COVERAGE'] === undefined,
  )
  for (const [name, after] of names) {
    it(`${name} is EMFILE and changes nothing, or is done; it keeps none`, () => {
      const attempts = (result.reports as unknown as Attempt[]).filter((attempt) => attempt.name === name)
      expect(attempts.at(-1)?.code, result.stderr).to.equal('ok')
      for (const { left, code, message, kept, names, byte, sound } of attempts) {
        const about = `${left} left: ${code} ${message}`
        expect(sound, about).to.deep.equal({ code: 'ok', message: '' })
        expect({ kept, byte }, about).to.deep.equal({ kept: 0, byte: 7 })
        expect(names, about).to.deep.equal(code === 'ok' ? after : BEFORE)
        // A thread that finds none says it in its own words.
        if (code !== 'ok') expect(code, about).to.be.oneOf(name === 'mount' ? ['EMFILE', 'EAGAIN'] : ['EMFILE'])
      }
    })
  }
})
