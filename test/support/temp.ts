/**
 * Temporary pool directories, removed after the test that asked for them, or after the run when asked for outside a
 * test. They are made in FAULTLINE_TEST_DIR, or else where the system keeps temporary files.
 */
import { spawnSync } from 'node:child_process'
import { accessSync, constants, mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isOnTmpfs } from '../../lib/binding/file-system.js'

const root = process.env['FAULTLINE_TEST_DIR'] ?? tmpdir()
const ofTest: string[] = []
const ofRun: string[] = []
let testRuns = false

/** Return: the absolute path of a new empty directory. */
export function temporaryDirectory(label = 'pool'): string {
  return makeDirectory(root, label)
}

const TMPFS_BYTES = 64 * 2 ** 20
let mounted: string | undefined

/** The same on tmpfs, mounted for the run where this machine has none. Errors: Error when that cannot be done. */
export function tmpfsDirectory(label = 'pool'): string {
  return makeDirectory(mounted ?? [root, '/dev/shm', '/run', '/tmp'].find(isTmpfs) ?? mountTmpfs(), label)
}

function isTmpfs(path: string): boolean {
  try {
    accessSync(path, constants.W_OK)
    const { bavail, bsize } = statfsSync(path)
    return isOnTmpfs(path) && bavail * bsize >= TMPFS_BYTES
  } catch {
    return false
  }
}

function mountTmpfs(): string {
  const path = mkdtempSync(join(root, 'faultline-tmpfs-'))
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', 'tmpfs', path], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`no tmpfs with room here, and none can be mounted: ${stderr}`)
  mounted = path
  return path
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
  if (mounted === undefined) return
  spawnSync('umount', ['--lazy', mounted])
  rmSync(mounted, { recursive: true, force: true })
})
