/**
 * mkdir -p. Node's mkdirSync with `recursive` never returns for a path whose parent says ENOENT to every mkdir, as
 * /proc does, so each missing directory is made by itself here.
 */
import { mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { isErrno } from '../errors.js'

/** path: absolute. Errors: of the host; ENOTDIR where something that is no directory is in the way. */
export function makeDirectories(path: string, mode: number): void {
  const missing: string[] = []
  for (let at = path; !tryMake(at, mode); at = dirname(at)) {
    missing.push(at)
    // The root is always there.
    if (dirname(at) === at) break
  }
  for (const each of missing.reverse()) {
    // ENOENT again, with its parent there: as /proc says it.
    if (!tryMake(each, mode))
      throw Object.assign(new Error(`ENOENT: cannot make ${each}`), { code: 'ENOENT', errno: 2 })
  }
}

/** Return: false when its parent is missing. */
function tryMake(path: string, mode: number): boolean {
  try {
    mkdirSync(path, { mode })
    return true
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false
    if (!isErrno(error, 'EEXIST')) throw error
    if (isDirectory(path)) return true
    throw Object.assign(new Error(`ENOTDIR: no directory: ${path}`), { code: 'ENOTDIR', errno: 20 })
  }
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}
