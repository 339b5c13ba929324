/** The checker checked: what is broken on purpose must be reported, and a run that hangs must end. */
import { expect } from 'chai'
import type { StressFailure } from '../../lib/stress/messages.js'
import { runStress } from '../../lib/stress/run.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import type { Meddling } from './meddler.fixture.js'

const STALL_SECONDS = 4

async function failureOf(meddling: Meddling): Promise<StressFailure> {
  process.env['FAULTLINE_MEDDLE'] = meddling
  try {
    const { failure, operations } = await runStress({
      workloads: ['mixed'],
      threads: 3,
      files: 2,
      seconds: 60,
      stallSeconds: STALL_SECONDS,
      meddler: new URL('./meddler.fixture.js', import.meta.url).href,
    })
    expect(failure, 'failure').not.to.equal(undefined)
    expect(operations).to.be.above(0)
    return failure as StressFailure
  } finally {
    delete process.env['FAULTLINE_MEDDLE']
  }
}

describe('stress reports', function () {
  this.timeout(120_000)

  before(function () {
    requireUserfaultfd(this)
  })

  it('a byte that nobody should have stored', async () => {
    const { kind, workload, message } = await failureOf('store')
    expect({ kind, workload }).to.deep.equal({ kind: 'mismatch', workload: 'mixed' })
    expect(message).to.match(/mixed-1.*page \d+ \+ /)
  })

  it('a thread that hangs, with what it and the others were doing', async () => {
    const { kind, message } = await failureOf('hang')
    expect(kind).to.equal('stall')
    expect(message).to.match(/thread 1: truncate, file 3, page 17 \+ 5, 0 bytes; the same for [4-9]/)
    expect(message).to.match(/thread 2: waiting for the others/)
    expect(message).to.match(/fault worker \(kernel thread \d+\): holds nothing/)
  })

  it('S0.5 K17 a wake-up that was lost', async () => {
    process.env['FAULTLINE_LOSE_WAKE'] = '1'
    try {
      const { failure } = await runStress({
        workloads: ['mixed', 'collision'],
        seconds: 60,
        stallSeconds: STALL_SECONDS,
      })
      expect(failure?.kind).to.equal('stall')
      expect(failure?.message).to.match(/waits for entry \d+ of inode \d+/)
    } finally {
      delete process.env['FAULTLINE_LOSE_WAKE']
    }
  })

  it('the death of the process, with what the threads were last seen doing', async () => {
    const { kind, message } = await failureOf('die')
    expect(kind).to.equal('death')
    expect(message).to.match(/has ended with SIGBUS; it was last seen doing\n {2}thread 0: /)
  })

  it('an error that is none of its own', async () => {
    const { kind, message } = await failureOf('throw')
    expect(kind).to.equal('error')
    expect(message).to.match(/^thread 1: RangeError: an error that nobody expects\n\s+at /)
  })
})
