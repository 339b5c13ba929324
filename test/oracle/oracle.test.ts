/** What real kernels did, and what we do: every scenario, in both flavours, at three levels of detail. */
import { expect } from 'chai'
import type { FlavourName } from '../../lib/dax/flavour.js'
import type { OperationRecord } from '../../lib/replay/record.js'
import { runScenarios } from '../../lib/replay/runner.js'
import { type Scenario, parseScenarios } from '../../lib/replay/scenario.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { tmpfsDirectory } from '../support/temp.js'
import { type Kernel, type Level, type LooseRecord, judge, readKernels, readScenarioText } from './compare.js'

/** A replay takes about ten seconds; a loaded machine has it take longer. */
const REPLAY_TIMEOUT_MS = 180_000

/** Scenarios that must agree with a kernel of the flavour's own file system. Raise them, never lower them. */
const FLOORS: Readonly<Record<FlavourName, Readonly<Record<Level, number>>>> = {
  ext4: { 1: 109, 2: 109, 3: 109 },
  xfs: { 1: 107, 2: 107, 3: 85 },
}

const LEVELS: readonly Level[] = [1, 2, 3]

async function replayAll(
  scenarios: readonly Scenario[],
  flavour: FlavourName,
): Promise<Map<string, OperationRecord[]>> {
  const replayed = new Map<string, OperationRecord[]>()
  await runScenarios(scenarios, {
    flavour,
    onResult: ({ name, records, failure }) => {
      expect(failure, `${name} runs to its end`).to.equal(undefined)
      replayed.set(name, [...records])
    },
  })
  return replayed
}

function expectAgreement(
  replayed: ReadonlyMap<string, readonly OperationRecord[]>,
  kernels: readonly Kernel[],
  level: Level,
  floor: number,
): void {
  const verdicts = [...replayed].map(([name, records]) =>
    judge(name, records as unknown as readonly LooseRecord[], kernels, level),
  )
  const wrong = verdicts.filter(({ differences }) => differences.length > 0)
  const list = wrong.map(({ scenario, kernel, differences }) => `${scenario} (${kernel}): ${differences[0] ?? ''}`)
  expect(verdicts.length - wrong.length, `scenarios that agree; not:\n  ${list.join('\n  ')}\n`).to.be.at.least(floor)
}

describe('oracle', function () {
  this.timeout(REPLAY_TIMEOUT_MS)
  let kernels: Kernel[]
  let scenarios: Scenario[]

  before(function () {
    requireUserfaultfd(this)
    kernels = readKernels()
    scenarios = parseScenarios(readScenarioText())
  })

  it('notices a single wrong byte, count or event', () => {
    const [kernel] = kernels
    const records = kernel?.scenarios.get('hole_write') ?? []
    const last = records.length - 1
    const altered = (change: LooseRecord): LooseRecord[] => records.with(last, { ...records[last], ...change })
    const found = (change: LooseRecord, level: Level): number =>
      judge('hole_write', altered(change), kernels.slice(0, 1), level).differences.length
    expect(found({}, 3)).to.equal(0)
    expect(found({ runs: [[8192, 4096, 0]] }, 1)).to.equal(1)
    expect([found({ flt: [7, 0] }, 1), found({ flt: [7, 0] }, 2)]).to.deep.equal([0, 1])
    expect([found({ ev: ['x'] }, 2), found({ ev: ['x'] }, 3)]).to.deep.equal([0, 1])
    expect(judge('hole_write', records.slice(0, last), kernels.slice(0, 1), 1).differences).to.have.lengthOf(1)
  })

  /** The same where mappings map media itself, which has one more thing to get wrong: what is a hole. */
  describe('media mapped itself', () => {
    let replayed: Map<string, OperationRecord[]>

    before(async () => {
      const own = { FAULTLINE_ZERO_COPY: '1', TMPDIR: tmpfsDirectory('oracle') }
      const before = Object.keys(own).map((name) => [name, process.env[name]] as const)
      Object.assign(process.env, own)
      try {
        replayed = await replayAll(scenarios, 'ext4')
      } finally {
        for (const [name, value] of before) {
          if (value === undefined) Reflect.deleteProperty(process.env, name)
          else process.env[name] = value
        }
      }
    })

    for (const level of LEVELS) {
      it(`agrees with ext4-dax at level ${level}`, () => {
        const own = kernels.filter(({ name }) => name.startsWith('ext4'))
        expectAgreement(replayed, own, level, FLOORS.ext4[level])
      })
    }
  })

  for (const flavour of ['ext4', 'xfs'] as const) {
    describe(flavour, () => {
      let replayed: Map<string, OperationRecord[]>

      before(async () => {
        replayed = await replayAll(scenarios, flavour)
      })

      for (const level of LEVELS) {
        it(`agrees with ${flavour}-dax at level ${level}`, () => {
          const own = kernels.filter(({ name }) => name.startsWith(flavour))
          expectAgreement(replayed, own, level, FLOORS[flavour][level])
        })
      }
    })
  }
})
