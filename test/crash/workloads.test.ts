/**
 * Worked examples: the correct form survives every crash state; each broken one is found, its failure takes at most
 * three stores to tell, and the report names the step that is missing.
 */
import { expect } from 'chai'
import { type CrashTest, type Region, type Report, explore } from '../../lib/index.js'
import * as bTree from './workloads/b-tree.js'
import * as hashMap from './workloads/hash-map.js'
import * as ringLog from './workloads/ring-log.js'
import * as undoLog from './workloads/undo-log.js'

const STORES_MAX = 3
/** A broken form may have more states than anyone waits for. */
const STATES_MAX = 3000

type Example = Readonly<Record<string, CrashTest<Region, never>>>
type Expected = Readonly<Record<string, readonly [kind: string, label: string]>>

const EXAMPLES: readonly (readonly [name: string, forms: unknown, expected: Expected])[] = [
  [
    'a ring log',
    ringLog,
    {
      recordNotFlushed: ['missing flush', 'write record'],
      recordNotFenced: ['missing fence', 'persist record'],
      tailNotFlushed: ['missing flush', 'publish tail'],
      tailNotFenced: ['missing fence', 'persist tail'],
      windowTooLarge: ['not atomic', 'write record'],
    },
  ],
  [
    'a hash map',
    hashMap,
    {
      entryNotFlushed: ['missing flush', 'write entry'],
      entryNotFenced: ['missing fence', 'persist entry'],
      commitNotFlushed: ['missing flush', 'commit'],
      commitNotFenced: ['missing fence', 'persist commit'],
      replacedInTwoSteps: ['not atomic', 'commit'],
    },
  ],
  [
    'an undo log',
    undoLog,
    {
      logNotFlushed: ['missing flush', 'log old values'],
      logNotFenced: ['missing fence', 'persist log'],
      countNotFlushed: ['missing flush', 'make log valid'],
      countNotFenced: ['missing fence', 'persist log count'],
      accountsNotFlushed: ['missing flush', 'change accounts'],
      accountsNotFenced: ['missing fence', 'persist accounts'],
      endNotFlushed: ['missing flush', 'empty log'],
      recoveryNotPersistent: ['not atomic', 'change accounts'],
    },
  ],
  [
    'a B-tree',
    bTree,
    {
      nodeNotFlushed: ['missing flush', 'write node'],
      nodeHalfFlushed: ['missing flush', 'write node'],
      nodeNotFenced: ['missing fence', 'persist node'],
      rootNotFlushed: ['missing flush', 'switch root'],
      rootNotFenced: ['missing fence', 'persist root'],
      insertedInPlace: ['not atomic', 'write node'],
    },
  ],
]

function diagnosesOf({ failures }: Report): string[] {
  return failures.map(({ diagnosis }) => `${diagnosis?.kind ?? ''}: ${diagnosis?.label ?? ''}`)
}

describe('worked examples', () => {
  for (const [name, module, expected] of EXAMPLES) {
    describe(name, () => {
      const forms = module as Example
      it('survives every crash state in its correct form, with nothing to mend', async () => {
        const { correct } = forms
        const report = await explore(correct as CrashTest<Region>)
        expect([report.counts.bad, report.workload, report.stopped]).to.deep.equal([0, undefined, undefined])
        expect(report.counts.images).to.be.greaterThan(15)
        expect(report.findings.filter(({ severity }) => severity !== 'note')).to.deep.equal([])
      })

      it('has each of its broken forms described', () => {
        expect(Object.keys(expected).sort()).to.deep.equal(Object.keys(forms).filter((form) => form !== 'correct'))
      })

      for (const [form, [kind, label]] of Object.entries(expected)) {
        it(`${form}: ${kind}, '${label}'`, async () => {
          const report = await explore(forms[form] as CrashTest<Region>, { maxStates: STATES_MAX })
          expect(report.counts.bad).to.be.greaterThan(0)
          expect(diagnosesOf(report)).to.include(`${kind}: ${label}`)
          for (const { stores } of report.failures) expect(stores.length).to.be.at.most(STORES_MAX)
        })
      }
    })
  }
})
