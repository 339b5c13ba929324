/** Branches that no test took, and the table of test/COVERAGE.md that says why. */
import { relative } from 'node:path'
import { type Source, projectRoot, readSource } from '../support/sources.js'

export const TABLE = 'test/COVERAGE.md'
/** Every branch of these is either taken by a test or argued. */
export const ARGUED = /^lib\/(?:dax|tree|persist)\//

/** A line of a source in which a branch begins that was not taken. */
export interface Branch {
  readonly path: string
  readonly line: string
}

export interface Row extends Branch {
  readonly reason: string
  /** Whether it is taken depends on how threads happened to run. */
  readonly byChance: boolean
}

interface Location {
  readonly start: { readonly line: number }
}

/** Of c8's report 'json', for each file by its absolute path. */
export interface FileCoverage {
  readonly b: Readonly<Record<string, readonly number[]>>
  readonly branchMap: Readonly<Record<string, { readonly loc: Location }>>
  readonly f: Readonly<Record<string, number>>
  readonly fnMap: Readonly<Record<string, { readonly loc: Location }>>
}

/** Return: the branches and functions not reached, each line once. */
export function uncoveredBranches(report: Readonly<Record<string, FileCoverage>>): Branch[] {
  return Object.entries(report).flatMap(([absolute, { b, branchMap, f, fnMap }]) => {
    const path = relative(projectRoot, absolute)
    if (!ARGUED.test(path)) return []
    const { lines } = readSource(path)
    const branches = Object.entries(b).flatMap(([id, [count]]) => (count === 0 ? [branchMap[id]] : []))
    const functions = Object.entries(f).flatMap(([id, count]) => (count === 0 ? [fnMap[id]] : []))
    const numbers = [...branches, ...functions].map((each) => each?.loc.start.line ?? 0)
    const texts = numbers.map((number) => (lines[number - 1] ?? '').trim())
    return [...new Set(texts)].sort().map((line) => ({ path, line }))
  })
}

/** Rows of four cells: file, line, why, and 'by chance' or nothing. */
export function readTable({ lines }: Source = readSource(TABLE)): Row[] {
  return lines.flatMap((text) => {
    const cells = text.split(/(?<!\\)\|/).map((cell) => cell.trim())
    const [, path = '', line = '', reason = '', chance = ''] = cells
    if (!/^`lib\//.test(path)) return []
    const code = (cell: string): string => cell.replace(/^`+ ?|(?: )?`+$/g, '').replaceAll('\\|', '|')
    return [{ path: code(path), line: code(line), reason, byChance: chance === 'by chance' }]
  })
}

export interface Comparison {
  /** Not taken, and no row says why. */
  readonly unargued: readonly Branch[]
  /** Rows of branches that were taken, by no chance. */
  readonly taken: readonly Row[]
}

export function compare(uncovered: readonly Branch[], rows: readonly Row[]): Comparison {
  const isSame = (a: Branch) => (b: Branch) => a.path === b.path && a.line === b.line
  return {
    unargued: uncovered.filter((branch) => !rows.some(isSame(branch))),
    taken: rows.filter((row) => !row.byChance && !uncovered.some(isSame(row))),
  }
}
