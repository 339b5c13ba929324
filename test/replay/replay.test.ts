import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import type { OperationRecord } from '../../lib/replay/record.js'
import { type ScenarioResult, runScenarios } from '../../lib/replay/runner.js'
import { type Scenario, parseScenarios } from '../../lib/replay/scenario.js'
import { projectRoot } from '../support/sources.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { temporaryDirectory } from '../support/temp.js'

const OPEN = { op: 'open', fd: 'f', path: 'a', flags: 'creat' }
const MMAP = { op: 'mmap', map: 'm', fd: 'f', off: 0, len: 8192, prot: 'rw', flags: 'shared' }
const PRIVATE = { ...MMAP, flags: 'private' }
const SIZE = { op: 'ftruncate', fd: 'f', len: 8192 }

function scenariosOf(...lists: unknown[][]): Scenario[] {
  return parseScenarios(JSON.stringify(lists.map((ops, index) => ({ name: `s${index}`, ops }))))
}

async function run(...lists: unknown[][]): Promise<ScenarioResult[]> {
  const results: ScenarioResult[] = []
  await runScenarios(scenariosOf(...lists), { flavour: 'ext4', onResult: (result) => results.push(result) })
  return results
}

async function runOne(...ops: unknown[]): Promise<readonly OperationRecord[]> {
  const [result] = await run(ops)
  expect(result?.failure).to.equal(undefined)
  return result!.records
}

describe('replay', function () {
  this.timeout(60_000)

  before(function () {
    requireUserfaultfd(this)
  })

  it('gives one record an operation, with names in place of addresses', async () => {
    const records = await runOne(OPEN, SIZE, MMAP, { op: 'store', map: 'm', off: 4100, len: 2, fill: 7 })
    expect(records.map(({ i, op }) => `${i} ${op}`)).to.deep.equal(['0 open', '1 ftruncate', '2 mmap', '3 store'])
    expect(records[3]).to.include({ s: 's0', ret: 2 })
    expect(records[3]!.flt).to.deep.equal([0, 1])
    expect(records[3]!.ev[0]).to.equal('page_fault_user m+4100 WRITE')
    expect(records[3]!.st!['a']).to.deep.include({ size: 8192, blocks: 8, mt: 1, ct: 1 })
    expect(records[3]!.st!['a']!.runs).to.deep.equal([
      [0, 4100, 0],
      [4100, 2, 7],
      [4102, 4090, 0],
    ])
  })

  it('goes on after a scenario that cannot be run, and tells what came before', async () => {
    const [broken, sound] = await run([OPEN, { ...MMAP, flags: 'shared+what' }], [OPEN])
    expect(broken!.failure).to.match(/unknown word 'what'/)
    expect(broken!.records).to.have.lengthOf(1)
    expect(sound).to.deep.include({ name: 's1' })
    expect(sound!.failure).to.equal(undefined)
  })

  it('an operation on a mapping that was not made is NOMAP', async () => {
    const [, record] = await runOne(OPEN, { op: 'load', map: 'm', off: 0, len: 1 })
    expect(record).to.include({ ret: -1, errno: 'NOMAP' })
  })

  it('the observers leave no trace', async () => {
    const load = { op: 'load', map: 'm', off: 0, len: 1 }
    const looks = await runOne(OPEN, SIZE, MMAP, load, { op: 'pagemap', map: 'm', off: 0, len: 8192 }, load)
    expect(looks[4]).to.include({ pages: 'z*1,.*1' })
    expect(looks[5]!.flt).to.deep.equal([0, 0])
    expect(looks[5]!.ev).to.deep.equal([])
    expect(looks[5]!.st!['a']).to.include({ mt: 0, ct: 0, blocks: 0 })
  })

  it('space that fillfs takes is there again after freefill', async () => {
    const store = { op: 'store', map: 'm', off: 0, len: 1, fill: 1 }
    const records = await runOne(OPEN, SIZE, MMAP, { op: 'fillfs' }, store, { op: 'freefill' }, store)
    expect(records[4]).to.include({ sig: 'SIGBUS', code: 2, at: 0, done: 0 })
    expect(records[6]).to.include({ ret: 1 })
  })

  describe('fork', () => {
    const child = (op: string, off: number, more: object = {}): object => ({
      op,
      map: 'm',
      off,
      len: 1,
      child: 1,
      ...more,
    })

    it('a child shares what is shared: its store is seen, its page tables are its own', async () => {
      const store = child('store', 0, { fill: 5 })
      const records = await runOne(OPEN, SIZE, MMAP, store, { op: 'load', map: 'm', off: 0, len: 1 })
      expect(records[3]!.flt).to.equal(undefined)
      expect(records[4]).to.deep.include({ runs: [[0, 1, 5]], flt: [1, 0] })
    })

    it('a child has copies of what is private, and keeps its stores to itself', async () => {
      const own = { op: 'store', map: 'm', off: 0, len: 1, fill: 4 }
      const records = await runOne(OPEN, SIZE, PRIVATE, own, child('load', 0), child('store', 0, { fill: 9 }), own)
      expect(records[4]!.runs).to.deep.equal([[0, 1, 4]])
      expect(records[5]!.ev[0]).to.equal('page_fault_user m+0 WRITE|PRESENT')
      // After a fork the parent's copy is write-protected as well: its next store is a fault, once.
      expect(records[6]).to.deep.include({ ret: 1, flt: [1, 0], ev: ['page_fault_user m+0 WRITE|PRESENT'] })
    })

    it('a mapping it was advised not to have is not there', async () => {
      const advice = { op: 'madvise', map: 'm', off: 0, len: 8192, advice: 'dontfork' }
      const records = await runOne(OPEN, SIZE, MMAP, advice, child('load', 4096))
      expect(records[4]).to.include({ sig: 'SIGSEGV', code_name: 'SEGV_MAPERR', at: 4096 })
    })
  })

  describe('command', () => {
    const main = join(projectRoot, 'dist/lib/cli/main.js')

    function command(scenarios: unknown, ...args: string[]): { status: number | null; stdout: string; stderr: string } {
      const path = join(temporaryDirectory('scenarios'), 's.json')
      writeFileSync(path, typeof scenarios === 'string' ? scenarios : JSON.stringify(scenarios))
      // Colours follow CI and FORCE_COLOR; tests read the words.
      const { FORCE_COLOR: _, ...inherited } = process.env
      const env = { ...inherited, NO_COLOR: '1' }
      return spawnSync(process.execPath, [main, 'replay', path, ...args], { encoding: 'utf8', env })
    }

    const pair = [
      { name: 'one', ops: [OPEN] },
      { name: 'two', ops: [OPEN, SIZE] },
    ]

    it('prints a table with a summary, or JSON lines', () => {
      const table = command(pair)
      expect(table.status).to.equal(0)
      expect(table.stdout).to.match(/2 scenarios, 3 operations, 0 page faults, 2 events, 0 not run to the end\n$/)
      const lines = command(pair, '--json', '--flavour', 'xfs', '^two$').stdout.trimEnd().split('\n')
      const records = lines.map((line) => JSON.parse(line) as OperationRecord)
      expect(records.map(({ fs, s }) => [fs, s])).to.deep.equal([
        ['faultline-xfs', 'two'],
        ['faultline-xfs', 'two'],
      ])
    })

    it('turns down what is wrong in a line', () => {
      expect(command('nonsense')).to.include({ status: 1, stdout: '' })
      expect(command('nonsense').stderr).to.match(/^faultline: .*not JSON/)
      expect(command(pair, '(').stderr).to.match(/^faultline: Invalid regular expression/)
      expect(command(pair, '--flavour', 'zfs').status).to.equal(2)
    })

    it('fails when a scenario could not be run to its end', () => {
      const result = command([{ name: 'bad', ops: [OPEN, { ...MMAP, prot: 'q' }] }])
      expect(result.status).to.equal(1)
      expect(result.stderr).to.match(/FAILED bad: .*unknown word 'q'/)
    })
  })
})
