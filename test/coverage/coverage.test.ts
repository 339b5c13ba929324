/** The table of test/COVERAGE.md, and the check that compares it with what was measured (npm run coverage). */
import { join } from 'node:path'
import { expect } from 'chai'
import { projectRoot, readSource } from '../support/sources.js'
import { ARGUED, TABLE, type FileCoverage, compare, readTable, uncoveredBranches } from './uncovered.js'

const REASON_MIN = 15

describe(`the branches of ${TABLE}`, () => {
  const rows = readTable()

  it('are in the sources as the table has them, each once', () => {
    const gone = rows.filter(({ path, line }) => !readSource(path).lines.some((text) => text.trim() === line))
    expect(gone.map(({ path, line }) => `${path}: ${line}`)).to.deep.equal([])
    const names = rows.map(({ path, line }) => `${path}: ${line}`)
    expect(names).to.deep.equal([...new Set(names)])
  })

  it('have a reason each', () => {
    for (const { path, line, reason } of rows) {
      expect(path).to.match(ARGUED)
      expect(reason.length, line).to.be.at.least(REASON_MIN)
    }
  })
})

describe('the check of what no test takes', () => {
  const path = 'lib/tree/cursor.ts'
  const { lines } = readSource(path)
  const number = lines.findIndex((text) => text.includes('throw new BugError')) + 1
  const line = (lines[number - 1] ?? '').trim()

  /** One branch and one function, reached so often. */
  function measured(branch: number, fn: number, file = path): Record<string, FileCoverage> {
    const loc = { start: { line: number } }
    const coverage = { b: { 0: [branch] }, branchMap: { 0: { loc } }, f: { 0: fn }, fnMap: { 0: { loc } } }
    return { [join(projectRoot, file)]: coverage }
  }

  it('finds branches and functions that were not reached, of dax/, tree/ and persist/', () => {
    expect(uncoveredBranches(measured(0, 3))).to.deep.equal([{ path, line }])
    expect(uncoveredBranches(measured(3, 0))).to.deep.equal([{ path, line }])
    expect(uncoveredBranches(measured(1, 1))).to.deep.equal([])
    expect(uncoveredBranches(measured(0, 0, 'lib/cli/main.ts'))).to.deep.equal([])
  })

  it('fails for a branch without a row, and for a row whose branch was taken, unless by chance', () => {
    const row = { path, line, reason: 'a bug of ours', byChance: false }
    expect(compare([{ path, line }], [row])).to.deep.equal({ unargued: [], taken: [] })
    expect(compare([{ path, line }], [])).to.deep.equal({ unargued: [{ path, line }], taken: [] })
    expect(compare([], [row])).to.deep.equal({ unargued: [], taken: [row] })
    expect(compare([], [{ ...row, byChance: true }])).to.deep.equal({ unargued: [], taken: [] })
  })

  it('reads rows with pipes in their code', () => {
    const text = '| `lib/tree/a.ts` | `if (a \\|\\| b) return` | a bug of ours | by chance |'
    expect(readTable({ path: '', text, lines: ['| file | line |', text] })).to.deep.equal([
      { path: 'lib/tree/a.ts', line: 'if (a || b) return', reason: 'a bug of ours', byChance: true },
    ])
  })
})
