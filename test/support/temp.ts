/**
 * Temporary pool directories, removed after the test that asked for them, or after the run when asked for outside a
 * test. They are made in FAULTLINE_TEST_DIR, or else where the system keeps temporary files.
 */
import { mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const root = process.env['FAULTLINE_TEST_DIR'] ?? tmpdir()
const ofTest: string[] = []
const ofRun: string[] = []
let testRuns = false

/** Return: the absolute path of a new empty directory. */
export function temporaryDirectory(label = 'pool'): string {
  return makeDirectory(root, label)
}

const TMPFS = 0x01021994

/** The same on tmpfs. Errors: Error when this machine has none where temporary files may be. */
export function tmpfsDirectory(label = 'pool'): string {
  const place = [root, '/dev/shm'].find((path) => statfsSync(path).type === TMPFS)
  if (place === undefined) throw new Error(`neither ${root} nor /dev/shm is on tmpfs`)
  return makeDirectory(place, label)
}

function makeDirectory(place: string, label: string): string {
  const path = mkdtempSync(join(place, `faultline-${label}-`))
  ;(testRuns ? ofTest : ofRun).push(path)
  return path
}

function removeAll(paths: string[]): void {
  for (const path of paths.splice(0)) rmSync(path, { recursive: true, force: true })
}

// Hooks of the root suite: the first before each test and the last after it, so a suite's own hooks may use the pool.
beforeEach(() => {
  testRuns = true
})
afterEach(() => {
  testRuns = false
  removeAll(ofTest)
})
after(() => {
  removeAll(ofRun)
})
