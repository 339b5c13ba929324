/** What the log shows without a crash: each kind of mistake is found where it is, and nothing else is said. */
import { expect } from 'chai'
import { type FindingKind, type Region, explore } from '../../lib/index.js'

const PAGE = 4096

const PROGRAMS: readonly (readonly [FindingKind, (pool: Region) => void, ...others: FindingKind[]])[] = [
  ['unflushed at close', (pool) => pool.store64(0, 1)],
  [
    'flushed, never fenced',
    (pool) => {
      pool.store64(0, 1)
      pool.flush(0)
    },
  ],
  ['flushed, never fenced', (pool) => pool.storeNT(0, Buffer.alloc(8, 1))],
  [
    'flush of a clean line',
    (pool) => {
      pool.store64(0, 1)
      pool.flush(0)
      pool.flush(640)
      pool.fence()
    },
  ],
  [
    'double flush',
    (pool) => {
      pool.store64(0, 1)
      pool.flush(0)
      pool.flush(0)
      pool.fence()
    },
  ],
  [
    'fence with nothing pending',
    (pool) => {
      pool.store64(0, 1)
      pool.persist(0)
      pool.fence()
    },
  ],
  [
    'store after flush before fence',
    (pool) => {
      pool.store64(0, 1)
      pool.flush(0)
      pool.store64(8, 1)
      pool.flush(0)
      pool.fence()
    },
  ],
  [
    'overwritten before flushed',
    (pool) => {
      pool.store64(0, 1)
      pool.store64(0, 2)
      pool.persist(0)
    },
  ],
  [
    'wrong page synced',
    (pool) => {
      pool.store64(PAGE, 1)
      pool.msync(0, 8)
      pool.msync(PAGE, 8)
    },
  ],
  [
    'range rounded down',
    (pool) => {
      pool.store(PAGE - 100, Buffer.alloc(200, 1))
      pool.msync(0, PAGE)
      pool.msync(PAGE, 100)
    },
  ],
  [
    'flag and data on different pages in one sync',
    (pool) => {
      pool.mark('data')
      pool.store64(PAGE, 1)
      pool.mark('flag')
      pool.store64(0, 1)
      pool.msync(0, 2 * PAGE)
    },
  ],
  [
    'commit flag in the same page as data',
    (pool) => {
      pool.mark('data')
      pool.store64(512, 1)
      pool.mark('flag')
      pool.store64(0, 1)
      pool.msync(0, PAGE)
    },
  ],
  [
    'relies on close or munmap',
    (pool) => {
      pool.store64(0, 1)
      pool.msync(0, 8)
      pool.store64(PAGE, 1)
    },
  ],
]

describe('findings without a crash', () => {
  for (const [kind, workload] of PROGRAMS) {
    it(kind, async () => {
      const { findings } = await explore({ size: 4 * PAGE, workload })
      expect([...new Set(findings.map((finding) => finding.kind))]).to.deep.equal([kind])
    })
  }

  it('have label, place and number of the same', async () => {
    const { findings } = await explore({
      size: PAGE,
      workload(pool) {
        pool.mark('fill')
        for (let i = 0; i < 5; i++) pool.store64(i * 64, 1)
      },
    })
    expect(findings).to.have.lengthOf(1)
    expect(findings[0]).to.include({
      kind: 'unflushed at close',
      label: 'fill',
      offset: 0,
      count: 5,
      severity: 'error',
    })
    expect(findings[0]?.location).to.match(/findings\.test\.js:\d+:\d+$/)
  })

  it('are none of flushes that eADR makes needless', async () => {
    const workload = (pool: Region): void => pool.store64(0, 1)
    expect((await explore({ size: PAGE, workload }, { domain: 'eadr' })).findings).to.deep.equal([])
  })
})
