/**
 * The pool: a directory whose files are the media, one for each pmem file, and one hidden directory of our own.
 *
 *   pool/
 *     store.pm                    media: the bytes that survive, at their own offsets; holes are holes
 *     .faultline/lock             held (flock) while the pool is mounted; contains the pid of the owner
 *     .faultline/blocks/NAME      which blocks are allocated and hold no data (media/host-file-blocks.ts)
 *     .faultline/badblocks/NAME   which blocks have memory errors (media/host-file-bad-blocks.ts)
 *     .faultline/mapped/NAME      mappings map it itself, or did when their process was killed (zero-copy.ts)
 *
 * A pool can be copied, archived and looked at with ordinary tools while it is not mounted. The lock dies with its
 * process, however it dies.
 */
import { mkdirSync, readFileSync, readdirSync, realpathSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Addon } from '../binding/addon.js'
import { Page } from '../constants.js'
import { PmemError, isErrno } from '../errors.js'
import { HeaderWord, type Machine } from '../fault/machine.js'
import { type NotedRun, partsWithout, readNote } from '../media/host-file-blocks.js'
import {
  BLOCKS_DIRECTORY,
  NOTE_DIRECTORIES,
  openNote,
  pathOf,
  removeNotes,
  withDirectory,
} from '../media/host-file-notes.js'
import { makeDirectories } from './make-directories.js'
import { NAME_BYTES_MAX } from '../mm/inode.js'

export const PRIVATE_DIRECTORY = '.faultline'

export interface PoolDirectory {
  readonly root: string
  readonly directory: number
  readonly lock: number
}

/**
 * Open the pool, making the directory if it is not there, and lock it.
 * Errors: EBUSY with the owner's pid when it is mounted; ENOTDIR, EACCES, EROFS… of the host.
 */
export function openPool(addon: Addon, path: string): PoolDirectory {
  const { constants: c } = addon
  let root = path
  let directory = -1
  let lock = -1
  try {
    makeDirectories(path, 0o700)
    root = realpathSync(path)
    directory = addon.openDirectory(root)
    makePrivate(addon, directory)
    const flags = flag(c, 'O_RDWR') | flag(c, 'O_CREAT')
    lock = openNote(addon, directory, `${PRIVATE_DIRECTORY}/lock`, flags)
    if (!addon.tryLockFile(lock)) throw busy(root)
    addon.truncateFile(lock, 0)
    const pid = new TextEncoder().encode(`${process.pid}\n`)
    addon.writeFile(lock, addon.addressOf(pid), pid.length, 0)
  } catch (error) {
    if (lock >= 0) addon.closeFd(lock)
    if (directory >= 0) addon.closeFd(directory)
    if (!(error instanceof PmemError)) throw hostError(error, 'mount', root)
    if (error.syscall === 'mount') throw error
    throw new PmemError(-error.errno, 'mount', `${error.path ?? ''} is not a file of our own: remove it`, root)
  }
  return { root, directory, lock }
}

/** Our own directory and those in it; none of them a link. Errors: of the host. */
function makePrivate(addon: Addon, pool: number): void {
  for (const path of [PRIVATE_DIRECTORY, ...NOTE_DIRECTORIES]) {
    withDirectory(addon, pool, dirname(path), (parent) => {
      try {
        mkdirSync(pathOf(parent, basename(path)), { mode: 0o700 })
      } catch (error) {
        if (!isErrno(error, 'EEXIST')) throw error
      }
    })
    withDirectory(addon, pool, path, () => undefined)
  }
}

/** Pid of the process that has the pool at `root` mounted, as far as its lock file tells; 0 when it does not. */
export function ownerOf(root: string): number {
  try {
    return Number.parseInt(readFileSync(join(root, PRIVATE_DIRECTORY, 'lock'), 'utf8'), 10) || 0
  } catch {
    return 0
  }
}

function busy(root: string): PmemError {
  const pid = ownerOf(root)
  const owner = pid === process.pid ? 'this process' : `process ${pid === 0 ? 'unknown' : pid}`
  return new PmemError('EBUSY', 'mount', `the pool is mounted by ${owner} (pid ${pid})`, root)
}

/** Names of the media files, sorted: regular files, not hidden. */
export function listPool(root: string): string[] {
  return readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isFile() && isValidName(entry.name))
    .map((entry) => entry.name)
    .sort()
}

/** The same for a pool that is mounted. Errors: PmemError; ENOENT when its directory was removed. */
export function listMounted({ addon, words, handle }: Machine, syscall: string): string[] {
  const pool = words.load(HeaderWord.PoolDirectory)
  try {
    if (addon.fileStatus(pool).links === 0) throw new PmemError('ENOENT', syscall, 'the pool was removed', handle.root)
    return listPool(pathOf(pool, ''))
  } catch (error) {
    throw hostError(error, syscall, handle.root)
  }
}

/**
 * Pages with blocks in all media files: what they take of the capacity before they are opened. Notes that promise more
 * than is left beside the data (the pool was left in the middle of a change, or is smaller now) are given up.
 */
export function allocatedPagesOf(addon: Addon, pool: PoolDirectory, capacity: number): number {
  const noted = new Map<string, number>()
  let pages = 0
  for (const name of listPool(pathOf(pool.directory, ''))) {
    const fd = addon.openBeneath(pool.directory, name, flag(addon.constants, 'O_RDONLY'), 0)
    try {
      const { size } = addon.fileStatus(fd)
      let data = 0
      forEachDataRange(addon, fd, size, (first, end) => (data += end - first))
      pages += data
      const all = mediaRuns(addon, pool.directory, fd, name, size).reduce((sum, { first, end }) => sum + end - first, 0)
      noted.set(name, all - data)
    } finally {
      addon.closeFd(fd)
    }
  }
  for (const [name, more] of noted) {
    if (more > 0 && pages + more > capacity) removeNotes(addon, pool.directory, name, [BLOCKS_DIRECTORY])
    else pages += more
  }
  return pages
}

/** A run of pages of a media file that have blocks; `end` is the first page after it. */
export type MediaRun = NotedRun

/**
 * What media knows of the blocks of a file: data, and blocks without data as noted. Disjoint.
 * name: of its note; undefined for a file without a name, which has none.
 *
 * The host calls unwritten pages data while its page cache holds them. So what is noted and looks like data is looked
 * at: a page that is not all zeroes was written after the note, the others are what the note says.
 */
export function mediaRuns(
  addon: Addon,
  directory: number,
  fd: number,
  name: string | undefined,
  size: number,
): MediaRun[] {
  const data: MediaRun[] = []
  const noted = name === undefined ? [] : readNote(addon, directory, name)
  forEachDataRange(addon, fd, size, (first, end) => {
    let from = first
    for (const run of noted) {
      if (run.written) continue
      for (let page = Math.max(from, run.first); page < Math.min(end, run.end); page++) {
        if (!isZeroPage(addon, fd, page)) continue
        if (page > from) data.push({ first: from, end: page, written: true })
        from = page + 1
      }
    }
    if (from < end) data.push({ first: from, end, written: true })
  })
  return [...data, ...noted.flatMap((run) => partsWithout(run, data))]
}

function isZeroPage(addon: Addon, fd: number, page: number): boolean {
  const bytes = new Uint8Array(Page.Size)
  const read = addon.readFile(fd, addon.addressOf(bytes), bytes.length, page * Page.Size)
  return read >= 0 && bytes.every((byte) => byte === 0)
}

/** Walk the data of a media file, in whole pages: visit(first page, page after the last). */
export function forEachDataRange(
  addon: Addon,
  fd: number,
  size: number,
  visit: (first: number, end: number) => void,
): void {
  const pairs = new Float64Array(512)
  let done = 0
  for (let from = 0; from < size;) {
    const count = addon.fileExtents(fd, from, size, pairs)
    for (let i = 0; i < count; i++) {
      const first = Math.max(done, Math.floor((pairs[2 * i] as number) / Page.Size))
      const end = Math.ceil((pairs[2 * i + 1] as number) / Page.Size)
      if (first < end) visit(first, end)
      done = Math.max(done, end)
      from = pairs[2 * i + 1] as number
    }
    if (count < pairs.length / 2) return
  }
}

/** A file name in the pool: one path component, not hidden. */
export function isValidName(name: string): boolean {
  if (name === '' || name.startsWith('.') || name.includes('/') || name.includes('\0')) return false
  return new TextEncoder().encode(name).length <= NAME_BYTES_MAX
}

/** Errors of the host (Node's or the addon's) as ours: same code, our syscall and path. */
export function hostError(error: unknown, syscall: string, path: string): unknown {
  if (error instanceof PmemError) return error
  if (!(error instanceof Error) || !('errno' in error) || typeof error.errno !== 'number') return error
  const reason = isErrno(error, 'ELOOP') ? 'a symbolic link in the way' : undefined
  return new PmemError(-Math.abs(error.errno), syscall, reason, path)
}

export function flag(constants: Readonly<Record<string, number>>, name: string): number {
  const value = constants[name]
  if (value === undefined) throw new Error(`the addon exports no constant ${name}`)
  return value
}
