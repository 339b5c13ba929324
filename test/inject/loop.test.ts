/**
 * Failing one operation of a random workload, and what must hold then: a sample; all of them by `npm run test:inject`.
 * And the checks of that checked: a media port that lies must be found out.
 */
import { expect } from 'chai'
import type { Pmem } from '../../lib/index.js'
import { INJECT_OPERATIONS, type InjectOperation } from '../../lib/inject-rules.js'
import { machineOf } from '../../lib/fs/pmem.js'
import { Prng } from '../../lib/prng.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { seedFor } from '../support/seed.js'
import { runCampaign } from './campaign.js'
import { type Settings, countOperations, runFailing } from './loop.js'

/** A media port lies in one thread; an error that comes in a fault worker is told as it should be. */
const LIES_MAX = 8
/** Not every workload notices each lie in its first runs, or syncs in its first steps: this one does. */
const KNOWN_SEED = 2

/** Make the port of the calling thread tell that all is well when it is not. */
function swallow(method: 'writeback' | 'syncMedia' | 'punchMedia' | 'resizeMedia'): (pmem: Pmem) => void {
  return (pmem) => {
    const { media } = machineOf(pmem)
    const honest: (...args: [number, number, number, number]) => number = media[method].bind(media)
    Object.assign(media, { [method]: (...args: [number, number, number, number]) => Math.max(0, honest(...args)) })
  }
}

describe('injected failures', function () {
  this.timeout(300_000)
  let settings: Settings
  let made: ReturnType<typeof countOperations>

  before(function () {
    requireUserfaultfd(this)
    settings = { seed: seedFor('injected failures'), steps: 120, stepsAfter: 15 }
    made = countOperations(settings)
  })

  for (const operation of INJECT_OPERATIONS) {
    it(`${operation}: the error is told, and nothing acknowledged is lost`, () => {
      const nth = 1 + new Prng(settings.seed).below(Math.max(1, made[operation]))
      expect(runFailing(operation, nth, settings).failed, `operation ${nth} has failed`).to.equal(made[operation] > 0)
    })
  }

  it('the last run has none left', () => {
    expect(runFailing('move', made.move + 1000, settings).failed).to.equal(false)
  })

  it('each one of a kind in its turn, by several processes', async () => {
    const plan = {
      operations: ['sync'],
      settings: { ...settings, seed: KNOWN_SEED, steps: 10 },
      jobs: 2,
      onRun: () => undefined,
    } as const
    const { kinds, runs, complaints } = await runCampaign(plan)
    expect(complaints).to.deep.equal([])
    const [sync] = kinds
    expect(sync?.failed).to.equal(sync?.made).and.to.be.above(0)
    expect(runs).to.be.above(sync?.made ?? 0)
  })

  it('what one of them complains of is heard', async () => {
    const operations = ['no such kind'] as unknown as InjectOperation[]
    const plan = { operations, settings: { ...settings, steps: 1 }, jobs: 1, complaintsMax: 1, onRun: () => undefined }
    const { complaints } = await runCampaign(plan)
    expect(complaints.join()).to.match(/TypeError: [^]*--operation no such kind --nth 1 /)
  })

  describe('are missed when media lies:', () => {
    const lies: readonly (readonly [Parameters<typeof swallow>[0], Parameters<typeof runFailing>[0]])[] = [
      ['writeback', 'media-write'],
      ['syncMedia', 'sync'],
      ['punchMedia', 'punch'],
      ['resizeMedia', 'resize'],
    ]
    for (const [method, operation] of lies) {
      it(`${method} says nothing of an error`, () => {
        const steps = { ...settings, seed: KNOWN_SEED, steps: 500, meddle: swallow(method) }
        const findOut = (): void => {
          for (let nth = 1; nth <= LIES_MAX; nth++) runFailing(operation, nth, steps)
        }
        // By nobody having been told, or by what does not work after that: it depends on the seed.
        expect(findOut).to.throw(Error)
      })
    }

    it('writeback forgets a line now and then', () => {
      const meddle = (pmem: Pmem): void => {
        const { media } = machineOf(pmem)
        const honest = media.writeback.bind(media)
        let calls = 0
        Object.assign(media, {
          writeback: (inode: number, offset: number, length: number, size: number) =>
            ++calls % 3 === 0 ? 0 : honest(inode, offset, length, size),
        })
      }
      expect(() => runFailing('note', 2, { ...settings, seed: KNOWN_SEED, steps: 500, meddle })).to.throw(/line|byte/)
    })
  })
})
