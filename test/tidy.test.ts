/**
 * The project's rules as tests. Each failure names the place and what to do instead.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import ts from 'typescript'
import {
  functionsOf,
  importsOf,
  parse,
  projectRoot,
  readSource,
  readSources,
  walk,
  type Import,
  type Source,
} from './support/sources.js'

/** Lowest first. A file imports from its own layer and from lower ones; files at the top of lib/ belong to `base`. */
const LAYERS = [
  'base',
  'sync',
  'trace',
  'tree',
  'mm',
  'media',
  'persist',
  'dax',
  'fault',
  'fs',
  'crash',
  'replay',
  'index',
  'stress',
  'bench',
  'cli',
]
/** These run under deterministic schedulers and without privileges: nothing they reach may need Node or the addon. */
const PURE_LAYERS = ['sync', 'tree', 'mm', 'dax']
/** The last two are for the build. */
const ENTRY_POINTS = [
  'lib/index.ts',
  'lib/cli/main.ts',
  'lib/crash/chai.ts',
  'lib/fault/bundled-thread.ts',
  'lib/fault/compile-bundle.ts',
]

const LINE_COLUMNS_MAX = 120
const FUNCTION_LINES_MAX = 70
const NATIVE_FILE_LINES_MAX = 250
/** More is a warning. */
const NATIVE_LINES_TARGET = 1500

const lib = readSources('lib', '.ts')
const tests = readSources('test', '.ts')
const native = readSources('native', '.cc', '.h')
const docs = [
  ...['README.md', 'ARCHITECTURE.md', 'CHANGELOG.md']
    .filter((name) => existsSync(join(projectRoot, name)))
    .map(readSource),
  ...['lib', 'test', 'native'].flatMap((folder) => readSources(folder, '.md')),
]
const imports = new Map<string, Import[]>(lib.map((source) => [source.path, importsOf(source)]))

function layerOf(path: string): string {
  const [, folder, ...rest] = path.split('/')
  if (folder === 'index.ts') return 'index'
  return rest.length === 0 || folder === undefined ? 'base' : folder
}

/** The addon is for the files that stand at the edge of the machine. */
function mayImportAddon(source: Source): boolean {
  const layer = layerOf(source.path)
  // index re-exports the probe, which is public.
  if (['binding', 'fault', 'fs', 'index', 'bench', 'cli'].includes(layer)) return true
  if (layer === 'media') return /\/host-file[^/]*$/.test(source.path)
  // Elsewhere in persist/ a file says in its opening comment that it uses the addon.
  return layer === 'persist' && /^\s*\/\*\*(?:(?!\*\/).)*\baddon\b/s.test(source.text)
}

/** Return: what is wrong with this import's direction, or undefined. */
function directionFault(source: Source, target: string): string | undefined {
  const from = layerOf(source.path)
  const to = layerOf(target)
  if (to === 'binding') return mayImportAddon(source) ? undefined : 'only files at the edge import the addon'
  // Counters and settings at the top of lib/ are laid out in shared words.
  if (from === 'binding' || from === 'base') {
    return to === 'base' || (from === 'base' && to === 'sync') ? undefined : `${from} does not import ${to}`
  }
  if (!LAYERS.includes(from) || !LAYERS.includes(to)) return `'${from}' or '${to}' is not a layer: add it to LAYERS`
  return LAYERS.indexOf(to) <= LAYERS.indexOf(from) ? undefined : `${from} is below ${to}: turn the dependency round`
}

/** Return: every file reachable by imports, the given ones included. */
function reachableFrom(paths: readonly string[]): Set<string> {
  const reached = new Set(paths)
  for (const path of reached) {
    for (const { path: target } of imports.get(path) ?? []) if (target !== undefined) reached.add(target)
  }
  return reached
}

/** Expects no complaint; a failure lists all of them. */
function expectNone(complaints: readonly string[]): void {
  expect(complaints, `\n  ${complaints.join('\n  ')}\n`).to.have.lengthOf(0)
}

/** Return: "path:line: problem" for each line that has one. */
function complaintsByLine(sources: readonly Source[], problem: (line: string) => string | undefined): string[] {
  return sources.flatMap(({ path, lines }) =>
    lines.flatMap((line, index) => {
      const found = problem(line)
      return found === undefined ? [] : [`${path}:${index + 1}: ${found}`]
    }),
  )
}

/** A suite is a list of tests: its length says nothing. */
function isSuite(node: ts.Node): boolean {
  let declaresTests = false
  ts.forEachChild(node, (child) =>
    walk(child, (inner) => {
      if (ts.isCallExpression(inner)) declaresTests ||= /^(?:it|describe)\b/.test(inner.expression.getText())
    }),
  )
  return declaresTests
}

describe('tidy', () => {
  describe('imports', () => {
    it('go one way', () => {
      expectNone(
        lib.flatMap((source) =>
          (imports.get(source.path) ?? []).flatMap(({ path: target, line }) => {
            const fault = target === undefined ? undefined : directionFault(source, target)
            return fault === undefined ? [] : [`${source.path}:${line} imports ${target}: ${fault}`]
          }),
        ),
      )
    })

    it('of the kernel reach no node: module, no package and no addon', () => {
      const kernel = lib.filter(({ path }) => PURE_LAYERS.includes(layerOf(path))).map(({ path }) => path)
      const complaints: string[] = []
      for (const path of reachableFrom(kernel)) {
        if (layerOf(path) === 'binding') complaints.push(`${path} is reached from ${PURE_LAYERS.join(', ')}`)
        for (const { specifier, path: target, line } of imports.get(path) ?? []) {
          if (target === undefined) complaints.push(`${path}:${line} imports '${specifier}': give it as a port instead`)
        }
      }
      expectNone(complaints)
    })

    it('leave no file of lib/ unused', () => {
      for (const path of ENTRY_POINTS) expect(existsSync(join(projectRoot, path)), `${path} exists`).to.equal(true)
      const reached = reachableFrom(ENTRY_POINTS)
      expectNone(lib.filter(({ path }) => !reached.has(path)).map(({ path }) => `${path}: nothing imports it`))
    })
  })

  describe('code', () => {
    it('reaches shared memory through the SharedWords port', () => {
      const complaints: string[] = []
      for (const source of lib) {
        if (layerOf(source.path) === 'sync') continue
        const file = parse(source)
        walk(file, (node) => {
          if (!ts.isIdentifier(node) || node.text !== 'Atomics') return
          const { line } = file.getLineAndCharacterOfPosition(node.getStart(file))
          complaints.push(`${source.path}:${line + 1}: Atomics outside lib/sync: use SharedWords`)
        })
      }
      expectNone(complaints)
    })

    it('leaves the bits of an entry to lib/tree/entry.ts', () => {
      const complaints: string[] = []
      for (const source of lib) {
        if (layerOf(source.path) === 'tree') continue
        for (const { names, line } of imports.get(source.path) ?? []) {
          if (!names.includes('EntryFlag')) continue
          complaints.push(`${source.path}:${line}: EntryFlag outside lib/tree: use the predicates of lib/tree/entry.ts`)
        }
      }
      expectNone(complaints)
    })

    it(`has functions of at most ${FUNCTION_LINES_MAX} lines`, () => {
      expectNone(
        [...lib, ...tests].flatMap((source) =>
          functionsOf(source)
            .filter(({ lineCount }) => lineCount > FUNCTION_LINES_MAX)
            .filter(({ node }) => !source.path.startsWith('test/') || !isSuite(node))
            .map(({ name, line, lineCount }) => `${source.path}:${line}: ${name} has ${lineCount} lines`),
        ),
      )
    })

    it(`has lines of at most ${LINE_COLUMNS_MAX} columns`, () => {
      expectNone(
        complaintsByLine([...lib, ...tests, ...native], (line) =>
          line.length > LINE_COLUMNS_MAX ? `${line.length} columns` : undefined,
        ),
      )
    })

    it('is finished', () => {
      // Spelled in halves, or this line would find itself.
      const unfinished = new RegExp(`\\b(${['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX'].join('|')})\\b`)
      expectNone(
        complaintsByLine([...lib, ...tests, ...native, ...docs], (line) => {
          const mark = unfinished.exec(line)?.[1]
          return mark === undefined ? undefined : `${mark}: do it now or write an issue`
        }),
      )
    })
  })

  describe('native code', () => {
    it(`has files of at most ${NATIVE_FILE_LINES_MAX} lines`, () => {
      expectNone(
        native
          .filter(({ lines }) => lines.length > NATIVE_FILE_LINES_MAX)
          .map(({ path, lines }) => `${path}: ${lines.length} lines`),
      )
    })

    it('is mechanism only', () => {
      // A figure to keep in sight, not a limit: what grows here is probably policy, which belongs in TypeScript.
      const total = native.reduce((sum, { lines }) => sum + lines.length, 0)
      if (total > NATIVE_LINES_TARGET)
        console.warn(`      native/ has ${total} lines; the target is ${NATIVE_LINES_TARGET}`)
      expect(total).to.be.greaterThan(0)
    })
  })

  describe('files', () => {
    it('have one title each, when they are documents', () => {
      expectNone(
        docs.flatMap(({ path, text }) => {
          const prose = text.replace(/^(`{3,}|~{3,}).*?^\1/gms, '')
          const titles = prose.match(/^# .+$/gm) ?? []
          return titles.length === 1 ? [] : [`${path}: ${titles.length} top-level titles`]
        }),
      )
    })

    it('in dist/ have a source', () => {
      const compiled = ['dist/lib', 'dist/test'].flatMap((folder) => readSources(folder, '.js'))
      const sources = new Set([...lib, ...tests].map(({ path }) => path))
      expectNone(
        compiled
          .map(({ path }) => path.replace(/^dist\//, '').replace(/\.js$/, '.ts'))
          .filter((path) => !sources.has(path))
          .map((path) => `${path} is gone but its compiled twin still runs: npm run clean`),
      )
    })
  })
})
