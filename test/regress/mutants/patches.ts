/**
 * The patches of this folder: each brings one historical bug back into lib/.
 *
 *   # bug: B7 one sentence: the history, and what the patch does
 *   # test: dist/test/unit/dax/races.test.js
 *   # grep: B7:                              a pattern of mocha --grep
 *   # hangs: yes                             optional: the test does not fail but never ends
 *   diff --git a/lib/… b/lib/…
 *
 * Names are Bnn-short-name.patch, or schedule-short-name.patch for what only an exploration of interleavings finds.
 */
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { projectRoot } from '../../support/sources.js'

export const PATCH_FOLDER = 'test/regress/mutants'

export interface Mutant {
  /** File name without .patch: 'B7-hole-read-unlocks-early'. */
  readonly name: string
  /** 'B7', or 'schedule'. */
  readonly bug: string
  /** What the header says after `bug:`. */
  readonly what: string
  /** Compiled test file, from the project's root. */
  readonly test: string
  readonly grep: string
  /** The test is expected not to end. Any other mutant that makes it do so is not killed but a surprise. */
  readonly hangs: boolean
  /** Absolute. */
  readonly path: string
  /** Files it changes, from the project's root. */
  readonly files: readonly string[]
}

const NAME = /^(B\d+|schedule)-[a-z0-9-]+$/

/** Return: all mutants, by number. Errors: one that names the patch and what its header lacks. */
export function readMutants(folder: string = join(projectRoot, PATCH_FOLDER)): Mutant[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.patch'))
    .map((file) => parseMutant(join(folder, file)))
    .sort((a, b) => orderOf(a) - orderOf(b) || a.name.localeCompare(b.name))
}

/** path: absolute, of one patch. */
export function parseMutant(path: string): Mutant {
  const name = (path.split('/').pop() ?? '').replace(/\.patch$/, '')
  const text = readFileSync(path, 'utf8')
  const head = text.slice(0, Math.max(0, text.indexOf('diff --git ')))
  const value = (key: string): string => {
    const found = new RegExp(`^# ${key}: *(\\S.*)$`, 'm').exec(head)?.[1]
    if (found === undefined) throw new Error(`${name}.patch: no line '# ${key}: …' before the diff`)
    return found.trimEnd()
  }
  const bug = NAME.exec(name)?.[1]
  if (bug === undefined) throw new Error(`${name}.patch: the name must be Bnn-short-name or schedule-short-name`)
  const what = value('bug')
  if (bug !== 'schedule' && !what.startsWith(`${bug} `))
    throw new Error(`${name}.patch: '# bug:' must begin with ${bug}`)
  const files = [...text.matchAll(/^\+\+\+ b\/(\S+)$/gm)].map(([, file = '']) => file)
  if (files.length === 0) throw new Error(`${name}.patch: no diff in git format`)
  const hangs = /^# hangs: yes$/m.test(head)
  return { name, bug, what, test: value('test'), grep: value('grep'), hangs, path, files }
}

function orderOf({ bug }: Mutant): number {
  return bug === 'schedule' ? Infinity : Number(bug.slice(1))
}
