/**
 * The mutants of this folder in short: their patches, the tests they name, and the table of README.md agree; a few of
 * them are really run, and one that changes nothing. All of them: npm run test:mutants.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import ts from 'typescript'
import { parse, projectRoot, readSource, walk } from '../support/sources.js'
import { temporaryDirectory } from '../support/temp.js'
import { type Mutant, PATCH_FOLDER, parseMutant, readMutants } from './mutants/patches.js'
import { judgeAll } from './mutants/run.js'
import { checkPatch } from './mutants/scratch.js'

const README = 'test/regress/README.md'
const BUGS = Array.from({ length: 50 }, (_, i) => `B${i + 1}`)
/** Quick ones, on doubles; the second dies of an assertion of faultline's own. */
const SAMPLE = ['B9-invalidate-takes-dirty', 'B40-page-of-a-zero-entry']
const BUGS_MIN = 35
const RUN_LIMIT_MS = 300_000
const CHECKS_AT_ONCE = 8

/** Full titles of the tests of a compiled file, as mocha's grep sees them: those of the suites around it first. */
function titlesOf(test: string): string[] {
  const titles: string[] = []
  const titleOf = (call: ts.CallExpression): string => call.arguments[0]?.getText().slice(1, -1) ?? ''
  walk(parse(readSource(test.replace(/^dist\/(.*)\.js$/, '$1.ts'))), (node) => {
    if (!ts.isCallExpression(node) || node.expression.getText() !== 'it') return
    const parts = [titleOf(node)]
    for (let outer: ts.Node = node.parent; !ts.isSourceFile(outer); outer = outer.parent) {
      if (ts.isCallExpression(outer) && outer.expression.getText() === 'describe') parts.unshift(titleOf(outer))
    }
    titles.push(parts.join(' '))
  })
  return titles
}

interface Row {
  readonly bug: string
  readonly patches: readonly string[]
  readonly tests: readonly string[]
  readonly last: string
}

/** Rows of four cells: | B1 | history | `B1-loser-zeroes` | `regress/B1-…` |, or | B30 | history | none | reason |. */
function readTable(): Row[] {
  return readSource(README).lines.flatMap((line) => {
    const [, bug = '', , patches = '', last = ''] = line.split('|').map((cell) => cell.trim())
    if (!/^B\d+$/.test(bug)) return []
    const quoted = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name)
    return [{ bug, patches: quoted(patches), tests: quoted(last), last }]
  })
}

/** A patch of the first line of a file of lib/, which it keeps. */
function writePatch(name: string, file: string, addition: string): Mutant {
  const [first = ''] = readSource(file).lines
  const path = join(temporaryDirectory('patch'), `${name}.patch`)
  const header = ['# bug: B9 a patch of this test', '# test: dist/test/unit/dax/writeback.test.js', '# grep: B9:']
  const diff = [`diff --git a/${file} b/${file}`, `--- a/${file}`, `+++ b/${file}`, '@@ -1,1 +1,2 @@']
  writeFileSync(path, [...header, ...diff, `+${addition}`, ` ${first}`, ''].join('\n'))
  return parseMutant(path)
}

describe('mutants', () => {
  const mutants = readMutants()

  it(`bring back at least ${BUGS_MIN} of the 50 bugs`, () => {
    const bugs = new Set(mutants.map(({ bug }) => bug).filter((bug) => BUGS.includes(bug)))
    expect(bugs.size).to.be.at.least(BUGS_MIN)
    expect(mutants.filter(({ bug }) => bug !== 'schedule' && !BUGS.includes(bug))).to.deep.equal([])
  })

  it('all apply to the project as it is', async function () {
    this.timeout(RUN_LIMIT_MS)
    const complaints: string[] = []
    const check = async (mutant: Mutant): Promise<void> => {
      const said = await checkPatch(mutant)
      if (said !== '') complaints.push(`${mutant.name}: ${said}`)
    }
    for (let i = 0; i < mutants.length; i += CHECKS_AT_ONCE) {
      await Promise.all(mutants.slice(i, i + CHECKS_AT_ONCE).map(check))
    }
    expect(complaints, `\n  ${complaints.join('\n  ')}\n`).to.deep.equal([])
  })

  it('name tests that exist, whose titles cite the bug', () => {
    const wrong = mutants.flatMap(({ name, bug, test, grep, files }) => {
      if (!existsSync(join(projectRoot, test))) return [`${name}: no file ${test}`]
      if (files.some((file) => !file.startsWith('lib/'))) return [`${name}: changes more than lib/`]
      const titles = titlesOf(test).filter((title) => new RegExp(grep).test(title))
      if (titles.length === 0) return [`${name}: no title of ${test} matches '${grep}'`]
      const cited = bug === 'schedule' || titles.every((title) => new RegExp(`\\b${bug}\\b`).test(title))
      return cited ? [] : [`${name}: its test does not cite ${bug}`]
    })
    expect(wrong).to.deep.equal([])
  })

  it(`agree with the table of ${README}, which has each bug once, with its patches or a reason`, () => {
    const rows = readTable()
    expect(rows.map(({ bug }) => bug)).to.deep.equal(BUGS)
    const wrong = rows.flatMap(({ bug, patches, tests, last }) => {
      const own = mutants.filter((mutant) => mutant.bug === bug)
      if (own.length === 0) return patches.length === 0 && last.length >= 40 ? [] : [`${bug}: no patch and no reason`]
      const names = own.map(({ name }) => name)
      const files = [...new Set(own.map(({ test }) => test.replace(/^dist\/test\/(.*)\.test\.js$/, '$1')))]
      const agrees =
        [...patches].sort().join() === names.sort().join() && [...tests].sort().join() === files.sort().join()
      return agrees ? [] : [`${bug}: should name ${names.join(' ')} and ${files.join(' ')}`]
    })
    expect(wrong).to.deep.equal([])
  })

  it('are killed; one that changes nothing survives; what cannot be judged is said to be invalid', async function () {
    this.timeout(RUN_LIMIT_MS)
    const file = 'lib/dax/invalidate.ts'
    const equal = writePatch('B9-equal', file, '// Says nothing.')
    const broken = writePatch('B9-broken', file, 'const broken: number = "no number"')
    const elsewhere = { ...writePatch('B9-elsewhere', file, '// Says nothing.'), grep: 'no such title' }
    const sample = mutants.filter(({ name }) => SAMPLE.includes(name))
    expect(sample).to.have.lengthOf(SAMPLE.length)
    const verdicts = await judgeAll([...sample, equal, broken, elsewhere], 1)
    const said = verdicts.map(({ mutant, result, by, message }) => {
      return `${mutant.name}: ${result} ${by ?? message.split(/[:']/, 1)[0] ?? ''}`
    })
    expect(said).to.deep.equal([
      `${SAMPLE[0]}: killed assertion`,
      `${SAMPLE[1]}: killed bug`,
      'B9-equal: survived its test passes',
      'B9-broken: invalid does not compile',
      'B9-elsewhere: invalid no test of dist/test/unit/dax/writeback.test.js matches ',
    ])
  })

  it('that nobody knows are a wrong argument: status 2, and what is right', () => {
    const main = join(projectRoot, 'dist', PATCH_FOLDER, 'main.js')
    for (const argument of ['B51', '--jobs=0', '--unknown']) {
      const { status, stderr, stdout } = spawnSync(process.execPath, [main, argument], { encoding: 'utf8' })
      expect([status, stdout]).to.deep.equal([2, ''])
      expect(stderr.trim().split('\n').at(-1)).to.equal('usage: npm run test:mutants [-- NAME…] [--jobs N]')
    }
  })
})
