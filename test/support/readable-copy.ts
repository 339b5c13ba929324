/**
 * A copy of what runs of the project (compiled sources, addon, packages) where every user can read it: a checkout may
 * lie in a directory of root. Node too, when others may not run it there.
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, constants, copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { projectRoot } from './sources.js'

export const NOBODY = 65534

export interface ReadableCopy {
  readonly node: string
  readonly main: string
  readonly index: string
  readonly deny: string
  /** Everyone may write there. */
  readonly scratch: string
  remove(): void
}

/** Context: takes a tenth of a second, or half a one when Node has to be copied too. */
export function readableCopy(): ReadableCopy {
  const root = mkdtempSync(join(placeForAll(), 'faultline-readable-'))
  chmodSync(root, 0o755)
  for (const name of ['dist/lib', 'package.json', 'binding.gyp']) copy(name, root)
  for (const name of ['faultline.node', 'deny']) copy(join('build/Release', name), root)
  for (const name of packages()) copy(join('node_modules', name), root)
  const scratch = join(root, 'scratch')
  mkdirSync(scratch)
  chmodSync(scratch, 0o777)
  return {
    node: canRun(process.execPath) ? process.execPath : copyNode(root),
    main: join(root, 'dist/lib/cli/main.js'),
    index: join(root, 'dist/lib/index.js'),
    deny: join(root, 'build/Release/deny'),
    scratch,
    remove: () => rmSync(root, { recursive: true, force: true }),
  }
}

/** The user to run as: nobody when we are root, else ourselves, who are no more than that. */
export function strangerId(): number | undefined {
  return process.getuid?.() === 0 ? NOBODY : undefined
}

function placeForAll(): string {
  const places = [process.env['FAULTLINE_TEST_DIR'] ?? tmpdir(), '/tmp', '/var/tmp', '/dev/shm']
  const found = places.find((place) => asStranger('test', ['-x', place]))
  if (found === undefined) throw new Error(`nobody may enter any of ${places.join(', ')}`)
  return found
}

function canRun(program: string): boolean {
  return asStranger(program, ['--version'])
}

function asStranger(program: string, args: string[]): boolean {
  const uid = strangerId()
  return spawnSync(program, args, uid === undefined ? {} : { uid, gid: uid, cwd: '/' }).status === 0
}

function copyNode(root: string): string {
  const path = join(root, 'node')
  copyFileSync(process.execPath, path, constants.COPYFILE_FICLONE)
  chmodSync(path, 0o755)
  return path
}

function copy(name: string, root: string): void {
  cpSync(join(projectRoot, name), join(root, name), { recursive: true, dereference: true })
}

/** Names of the packages the command line needs, and what those need. */
function packages(): Set<string> {
  const found = new Set<string>()
  const visit = (folder: string): void => {
    const manifest = join(projectRoot, folder, 'package.json')
    const { dependencies = {} } = JSON.parse(readFileSync(manifest, 'utf8')) as { dependencies?: object }
    for (const name of Object.keys(dependencies)) {
      // What builds the addon is not needed to run it.
      if (found.has(name) || /^node-/.test(name)) continue
      if (!existsSync(join(projectRoot, 'node_modules', name))) continue
      found.add(name)
      visit(join('node_modules', name))
    }
  }
  visit('.')
  return found
}
