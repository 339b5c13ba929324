/** The default tests in pieces, so that what V8 writes for each thread and process need not lie around all at once. */
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type ProcessCov, mergeProcessCovs } from '@bcoe/v8-coverage'
import { projectRoot, readSources } from '../support/sources.js'

/** The tests that lie in test/ itself. */
export const TOP = 'top'

/** Files merged at a time. */
const BATCH = 100
const LIBRARY = pathToFileURL(join(projectRoot, 'dist/lib/')).href
/** Where test/support/readable-copy.ts puts copies of dist/lib for other users. */
const COPY = /^file:.*\/faultline-readable-[^/]+\/dist\/lib\//

/** Return: names of the folders of test/ that have tests, and `top`. */
export function allPieces(): string[] {
  return [...new Set(readSources('test', '.test.ts').map(({ path }) => pieceOf(path)))]
}

/** path: 'test/fs/names.test.ts'. */
function pieceOf(path: string): string {
  const [, folder = '', ...rest] = path.split('/')
  return rest.length === 0 ? TOP : folder
}

/** Return: whether there are such tests: a folder of test/, a file there without .test.ts, or `top`. */
export function isPiece(piece: string): boolean {
  return allPieces().includes(piece) || existsSync(join(projectRoot, `test/${piece}.test.ts`))
}

export function patternOf(piece: string): string {
  if (piece === TOP) return 'dist/test/*.test.js'
  return allPieces().includes(piece) ? `dist/test/${piece}/**/*.test.js` : `dist/test/${piece}.test.js`
}

/**
 * Run the tests of a piece, and write what of lib/ they ran into a file of this directory.
 * Return: whether they passed.
 */
export function runPiece(piece: string, directory: string): boolean {
  const raw = mkdtempSync(join(process.env['FAULTLINE_TEST_DIR'] ?? tmpdir(), 'faultline-coverage-'))
  try {
    // Processes of other users write there too.
    chmodSync(raw, 0o1777)
    const { status } = spawnSync(process.execPath, ['node_modules/mocha/bin/mocha.js', patternOf(piece)], {
      cwd: projectRoot,
      env: { ...process.env, NODE_V8_COVERAGE: raw },
      stdio: 'inherit',
    })
    mkdirSync(directory, { recursive: true })
    writeFileSync(join(directory, `coverage-${piece.replaceAll('/', '-')}.json`), JSON.stringify(merged(raw)))
    return status === 0
  } finally {
    rmSync(raw, { recursive: true, force: true })
  }
}

/** What all processes and threads ran of lib/. Files cut short by a kill are passed over. */
function merged(raw: string): ProcessCov {
  let parts: ProcessCov[] = []
  for (const name of readdirSync(raw)) {
    const part = readRaw(join(raw, name))
    if (part !== undefined) parts.push(part)
    if (parts.length === BATCH) parts = [mergeProcessCovs(parts)]
  }
  return mergeProcessCovs(parts)
}

function readRaw(path: string): ProcessCov | undefined {
  try {
    const { result } = JSON.parse(readFileSync(path, 'utf8')) as ProcessCov
    const ours = result.map((script) => ({ ...script, scriptId: '0', url: script.url.replace(COPY, LIBRARY) }))
    return { result: ours.filter(({ url }) => url.startsWith(LIBRARY)) }
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
