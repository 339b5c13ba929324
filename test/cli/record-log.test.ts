import { expect } from 'chai'
import { LogFile, TornLogError } from '../../lib/cli/demo/log-file.js'
import { type Persist, RecordLog, msyncBytes, persistBytes } from '../../lib/cli/demo/record-log.js'
import { type Verdict, emptyVerdict, isSound, judge } from '../../lib/cli/demo/verdict.js'
import { appendGroup, isPayload, makePayload } from '../../lib/cli/demo/workload.js'
import { type Pmem, mount } from '../../lib/index.js'
import { Prng } from '../../lib/prng.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { seedFor } from '../support/seed.js'
import { temporaryDirectory } from '../support/temp.js'

const COMMIT_WORD = 64
const RECORDS = 4096

class PowerFailure extends Error {}

/** Persists until the power fails, before the given step. */
function failingAt(step: number, persist: Persist): Persist {
  let left = step
  return (mapping, offset, length) => {
    if (left-- === 0) throw new PowerFailure()
    persist(mapping, offset, length)
  }
}

describe('the record log of the demo', function () {
  let pmem: Pmem
  before(function () {
    requireUserfaultfd(this)
  })
  beforeEach(() => {
    pmem = mount(temporaryDirectory(), { capacity: '64MiB' })
  })
  afterEach(() => {
    pmem.close()
  })

  function writeThenFail(persist: Persist, groups: number, seed: number, survive: 'none' | 'random'): Verdict {
    const verdict = emptyVerdict()
    const prng = new Prng(seed)
    const log = new RecordLog(pmem, { persist, fileBytes: 65536 })
    const start = log.last
    let acknowledged = start
    try {
      for (let group = 0; group < groups; group++) {
        appendGroup(log, seed, 0, prng)
        acknowledged = log.commit()
      }
    } catch (error) {
      if (!(error instanceof PowerFailure)) throw error
    }
    const begun = log.last
    pmem.crash({ survive, seed })
    log.close()
    judge(pmem, seed, { start, begun, acknowledged }, verdict)
    return verdict
  }

  it('keeps what was committed and forgets what was not', () => {
    const log = new RecordLog(pmem)
    log.append(Buffer.from('first'))
    log.commit()
    log.append(Buffer.from('second'))
    pmem.crash()
    log.close()
    using again = new RecordLog(pmem)
    expect([...again.records()].map(({ payload }) => Buffer.from(payload).toString())).to.deep.equal(['first'])
    expect(again.append(Buffer.from('third'))).to.equal(2)
  })

  it('goes on in a new file when one is full', () => {
    const log = new RecordLog(pmem, { fileBytes: 8192 })
    for (let i = 1; i <= 20; i++) expect(log.append(Buffer.alloc(1000, i))).to.equal(i)
    log.commit()
    log.close()
    using again = new RecordLog(pmem, { fileBytes: 8192 })
    expect(again.fileCount).to.equal(5)
    expect([...again.records()].map(({ sequence, payload }) => [sequence, payload[0]])).to.deep.equal(
      Array.from({ length: 20 }, (_, i) => [i + 1, i + 1]),
    )
  })

  for (const [name, persist] of [
    ['msync', msyncBytes],
    ['clwb and sfence', persistBytes],
  ] as const) {
    it(`by ${name} is sound whichever step the power fails at, with half of the lines surviving`, () => {
      for (let step = 0; step < 25; step++) {
        const seed = seedFor(`${name} ${step}`)
        for (const file of pmem.list()) pmem.unlink(file)
        const verdict = writeThenFail(failingAt(step, persist), 30, seed, 'random')
        expect(isSound(verdict), JSON.stringify({ step, seed, verdict })).to.equal(true)
      }
    })
  }

  it('is caught when it acknowledges what it never persisted', () => {
    // Power fails later than everything: what is lost is the log's own fault.
    const verdict = writeThenFail(() => undefined, 5, 1, 'none')
    expect(verdict.lost).to.be.above(0)
    expect(isSound(verdict)).to.equal(false)
  })

  it('is caught when it publishes records before they are durable', () => {
    const commitWordOnly: Persist = (mapping, offset, length) => {
      if (offset < RECORDS) mapping.persist(offset, length)
    }
    const verdict = writeThenFail(commitWordOnly, 5, 1, 'none')
    expect(verdict.torn).to.equal(1)
    expect(verdict.complaint).to.be.a('string')
  })

  it('makes a file anew whose making was cut short', () => {
    const log = new RecordLog(pmem, { persist: failingAt(1, msyncBytes) })
    expect(() => log.append(Buffer.from('x'))).to.throw(PowerFailure)
    pmem.crash()
    log.close()
    using again = new RecordLog(pmem)
    expect(again.last).to.equal(0)
    expect(again.append(Buffer.from('y'))).to.equal(1)
    expect(again.commit()).to.equal(1)
  })

  it('finds a flipped bit anywhere in what was published', () => {
    const memory = { buffer: new ArrayBuffer(16384), persist: () => undefined }
    const log = LogFile.create(memory, 1)
    for (let i = 0; i < 3; i++) log.append(Buffer.alloc(100, i))
    log.commit()
    const bytes = new Uint8Array(memory.buffer)
    const end = Number(new BigUint64Array(memory.buffer)[COMMIT_WORD / 8])
    const prng = new Prng(seedFor('flipped bit'))
    for (let i = 0; i < 200; i++) {
      const at = RECORDS + prng.below(end - RECORDS)
      // Padding behind a record is not part of it.
      if ((at - RECORDS) % 120 >= 116) continue
      const bit = 1 << prng.below(8)
      bytes[at] = (bytes[at] as number) ^ bit
      expect(() => LogFile.open(memory), `byte ${at}, bit ${bit}`).to.throw(TornLogError)
      bytes[at] ^= bit
    }
    expect(LogFile.open(memory)?.next).to.equal(4)
  })

  it('has payloads that tell attempts at the same record apart', () => {
    expect(isPayload(makePayload(1, 2, 3), 1, 2)).to.equal(true)
    expect(isPayload(makePayload(1, 2, 3), 1, 3)).to.equal(false)
    expect(Buffer.compare(makePayload(1, 2, 3), makePayload(1, 2, 4))).not.to.equal(0)
  })
})
