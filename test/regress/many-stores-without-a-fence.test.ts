/**
 * 1. A workload stores for as long as its time limit lets it, and never fences: a line has a million pending stores.
 * 2. The choices of the line are worked out.
 *
 * Failed by: time that grows with the square of the stores, minutes in step 2; and before that by a TimeLimitError that
 * explore() threw, for its own work was under the limit too.
 */
import { expect } from 'chai'
import { type Region, StoreLog, explore } from '../../lib/index.js'
import { Timeline } from '../../lib/crash/timeline.js'

const STORES = 100_000

describe('regress: many stores without a fence', function () {
  this.timeout(60_000)

  it('have their choices worked out in steps, not in squares', () => {
    const log = new StoreLog()
    const bytes = Buffer.alloc(8)
    for (let i = 1; i <= STORES; i++) {
      bytes.writeUInt32LE(i % 100)
      log.store(1, 1, 8 * (i % 8), bytes, false)
    }
    const moment = new Timeline(log, { readLine: (_file, _offset, into) => into.fill(0) }, 'adr').next()
    const [line] = moment?.lines ?? []
    // After 8 stores contents come round every 200; of those before, the one after 7 stores is as that after 207.
    expect([line?.pending.length, line?.choices.length, line?.truncated]).to.deep.equal([STORES, 207, false])
    const last = line?.choices.at(-1)
    expect(last?.kept.filter(Boolean).length).to.be.lessThan(STORES)
    expect(line?.choices.some(({ kept }) => kept.length === STORES && kept.every(Boolean))).to.equal(true)
  })

  it('of a workload that does not end are explored', async () => {
    const { workload, counts } = await explore(
      {
        size: 4096,
        workload: (region: Region) => {
          for (let i = 0; ; i++) region.store64(8 * (i % 4), i % 4)
        },
        recover: (region) => region.load64(0),
      },
      { timeLimit: 100, maxStates: 50 },
    )
    expect(workload).to.equal('did not end within 100 ms')
    expect(counts.images).to.equal(4)
  })
})
