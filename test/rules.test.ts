/**
 * The table of test/README.md against the titles of the tests: every rule has a row, every row that names tests is
 * cited by a title in each of them, and every rule that a title cites has such a row.
 */
import { expect } from 'chai'
import ts from 'typescript'
import { type Source, parse, readSource, readSources, walk } from './support/sources.js'

const README = 'test/README.md'
const RULE = /\b[TKS]\d+(?:\.\d+)?\b/g

/** First and last number of each run of rules there is; S rules are numbered within their seed. */
const CATALOGUE: readonly [prefix: string, first: number, last: number][] = [
  ['T', 1, 15],
  ['K', 1, 7],
  ['K', 10, 17],
  ['K', 20, 23],
  ['K', 30, 32],
  ['K', 40, 44],
  ['K', 50, 54],
  ['K', 60, 64],
  ['K', 70, 74],
  ['K', 80, 84],
  ['K', 90, 92],
  ['K', 95, 111],
  ['S0.', 1, 14],
  ['S1.', 1, 12],
  ['S2.', 1, 12],
  ['S3.', 1, 9],
  ['S4.', 1, 6],
]

interface Row {
  readonly rule: string
  /** From the project's root; empty when the rule does not apply. */
  readonly files: readonly string[]
  readonly reason: string
}

/** Rows of three cells whose first is a rule: | T1 | what | `unit/dax/fault` | or | T15 | what | reason |. */
function readTable(): Row[] {
  return readSource(README).lines.flatMap((line) => {
    const [, rule = '', , last = ''] = line.split('|').map((cell) => cell.trim())
    if (rule.match(RULE)?.[0] !== rule) return []
    const files = [...last.matchAll(/`([^`]+)`/g)].map(([, name = '']) => `test/${name}.test.ts`)
    return [{ rule, files, reason: last }]
  })
}

/** Rules that titles of `describe` and `it` in the file cite. */
function citedBy(source: Source): Set<string> {
  const cited = new Set<string>()
  walk(parse(source), (node) => {
    if (!ts.isCallExpression(node) || !/^(?:it|describe)$/.test(node.expression.getText())) return
    for (const rule of node.arguments[0]?.getText().match(RULE) ?? []) cited.add(rule)
  })
  return cited
}

describe(`the rules of ${README}`, () => {
  const rows = readTable()
  const cited = new Map(readSources('test', '.test.ts').map((source) => [source.path, citedBy(source)]))

  it('are all of the catalogue, each once', () => {
    const all = CATALOGUE.flatMap(([prefix, first, last]) =>
      Array.from({ length: last - first + 1 }, (_, i) => `${prefix}${first + i}`),
    )
    expect(rows.map(({ rule }) => rule)).to.deep.equal(all)
  })

  it('are cited by a title in each test file their row names, or have a reason', () => {
    const wrong = rows.flatMap(({ rule, files, reason }) => {
      if (files.length === 0) return reason.length < 10 ? [`${rule}: no test and no reason`] : []
      return files.filter((file) => cited.get(file)?.has(rule) !== true).map((file) => `${rule}: no title in ${file}`)
    })
    expect(wrong).to.deep.equal([])
  })

  it('include every rule that a title cites, with its tests', () => {
    const tested = new Set(rows.filter(({ files }) => files.length > 0).map(({ rule }) => rule))
    const missing = [...cited].flatMap(([path, rules]) =>
      [...rules].filter((rule) => !tested.has(rule)).map((rule) => `${path} cites ${rule}: name it in the table`),
    )
    expect(missing).to.deep.equal([])
  })
})
