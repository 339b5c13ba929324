/** The assertion, as a test of a user's project uses it. */
import { AssertionError, expect, use } from 'chai'
import type { Region } from '../../lib/index.js'
import { survivePowerFailure } from '../../lib/crash/chai.js'

use(survivePowerFailure)

function publish(persistFirst: boolean) {
  return function publishRecord(pool: Region): void {
    pool.mark('write record')
    pool.store64(64, 7)
    if (persistFirst) pool.persist(64, 8)
    pool.mark('set flag')
    pool.store64(0, 1)
    pool.flush(0, 128)
    pool.fence()
  }
}

const recovery = {
  size: 4096,
  recover: (pool: Region) => (pool.load64(0) === 1n ? pool.load64(64) : undefined),
  check: (record: bigint | undefined) => record === undefined || record === 7n || `the record is ${record}`,
}

async function messageOf(assertion: Promise<void>): Promise<string> {
  const error: unknown = await assertion.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).to.be.instanceOf(AssertionError)
  return (error as Error).message
}

describe('expect(workload).to.survivePowerFailure', () => {
  it('passes for a program that survives, fails for one that does not', async () => {
    await expect(publish(true)).to.survivePowerFailure(recovery)
    await expect(publish(false)).not.to.survivePowerFailure(recovery)
    await messageOf(expect(publish(true)).not.to.survivePowerFailure(recovery))
  })

  it('says in a few lines which store was lost, where, and what is missing', async () => {
    const message = await messageOf(expect(publish(false)).to.survivePowerFailure(recovery))
    expect(message.split('\n').length).to.be.at.most(8)
    expect(message).to.match(/^publishRecord does not survive a power failure: 1 of 4 crash images are bad/)
    expect(message).to.match(/store 8 bytes at 0x40 = 0700000000000000 {2}'write record' {2}\S*chai\.test\.js:\d+:\d+/)
    expect(message).to.include("missing flush: 'write record' to line 0x40 is not flushed before 'set flag'")
  })

  it('takes engine and budget, a whole test, and asynchronous functions', async () => {
    await expect(publish(true)).to.survivePowerFailure({ ...recovery, engine: 'guided', seconds: 5 })
    await expect({ ...recovery, workload: publish(true) }).to.survivePowerFailure()
    const recover = async (pool: Region): Promise<bigint | undefined> => {
      await Promise.resolve()
      return recovery.recover(pool)
    }
    const workload = async (pool: Region): Promise<void> => {
      await Promise.resolve()
      publish(false)(pool)
    }
    await expect(publish(true)).to.survivePowerFailure({ ...recovery, recover })
    await expect(workload).not.to.survivePowerFailure({ ...recovery, recover })
  })

  it('is misused loudly', async () => {
    const error: unknown = await expect(7)
      .to.survivePowerFailure()
      .then(
        () => undefined,
        (reason: unknown) => reason,
      )
    expect(error).to.be.instanceOf(TypeError)
    expect((error as Error).message).to.match(/must be a workload \(a function\) or a crash test but received 7/)
  })
})
