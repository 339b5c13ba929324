/** The tables of test/FAILURES.md: each row says what is seen and kept, and names tests that are there. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { projectRoot, readSource } from './support/sources.js'

const CELLS = 4
const ROWS_MIN = 40

interface Row {
  readonly what: string
  readonly cells: readonly string[]
  readonly tests: readonly string[]
}

/** Rows of tables whose last column is 'test', heads and rulers excepted. */
function readRows(): Row[] {
  const lines = readSource('test/FAILURES.md').lines.filter((line) => line.startsWith('|'))
  return lines.flatMap((line) => {
    const cells = line.split('|').slice(1, -1)
    const trimmed = cells.map((cell) => cell.trim())
    if (trimmed.at(-1) === 'test' || /^-+$/.test(trimmed[0] ?? '')) return []
    const tests = [...(trimmed.at(-1) ?? '').matchAll(/`([^`]+)`/g)].map(([, name = '']) => name)
    return [{ what: trimmed[0] ?? '', cells: trimmed, tests }]
  })
}

describe('the tables of test/FAILURES.md', () => {
  const rows = readRows()

  it('have rows, each with what goes wrong, what is seen, what is kept, and a test', () => {
    expect(rows.length).to.be.at.least(ROWS_MIN)
    const wrong = rows.filter(({ what, cells, tests }) => {
      return cells.length !== CELLS || what === '' || cells[1] === '' || tests.length === 0
    })
    expect(wrong.map(({ what }) => what)).to.deep.equal([])
  })

  it('name each failure once', () => {
    const names = rows.map(({ what }) => what)
    expect(names).to.deep.equal([...new Set(names)])
  })

  it('name tests that exist', () => {
    const missing = rows.flatMap(({ what, tests }) =>
      tests
        .filter((test) => !existsSync(join(projectRoot, 'test', `${test}.test.ts`)))
        .map((test) => `${what}: ${test}`),
    )
    expect(missing).to.deep.equal([])
  })
})
