/**
 * Notes: small files beside the media files, in the hidden directory of a pool, one a name and kind. A note belongs to
 * its name: it goes with it, by unlink and by rename.
 *
 * Whoever may write to the pool's directory may plant things in it, at any moment. So nothing is reached by a path from
 * the root: directories are opened beneath the pool's descriptor, where a symbolic link is an error, and what Node has
 * to be given a path for is named by that descriptor (/proc/self/fd), its last component never followed. Notes are
 * regular files with one name; what is a pipe, or a hard link to a file of others, is neither read nor written.
 */
import { constants as hostConstants, readdirSync, renameSync, rmSync } from 'node:fs'
import type { Addon } from '../binding/addon.js'
import { type Errno, PmemError, isErrno } from '../errors.js'

const BYTES_MAX = 16 * 2 ** 20

/** Which blocks are allocated and hold no data: host-file-blocks.ts. */
export const BLOCKS_DIRECTORY = '.faultline/blocks'
/** Which blocks have memory errors: host-file-bad-blocks.ts. */
export const BAD_BLOCKS_DIRECTORY = '.faultline/badblocks'
/** Which files mappings map themselves right now: fs/zero-copy.ts. */
export const MAPPED_DIRECTORY = '.faultline/mapped'

/** Where notes are, beneath the pool. */
export const NOTE_DIRECTORIES = [BLOCKS_DIRECTORY, BAD_BLOCKS_DIRECTORY, MAPPED_DIRECTORY] as const

/** A path to what an open directory holds: it means that directory, whatever becomes of its name. */
export function pathOf(directory: number, name: string): string {
  return `/proc/self/fd/${directory}/${name}`
}

/** Use a directory beneath the pool. Errors: ENOENT; ELOOP, ENOTDIR when it is a link or something else; of `work`. */
export function withDirectory<Result>(
  addon: Addon,
  pool: number,
  name: string,
  work: (directory: number) => Result,
): Result {
  const { O_PATH = 0, O_DIRECTORY = 0 } = addon.constants
  const directory = addon.openBeneath(pool, name, O_PATH | O_DIRECTORY, 0)
  try {
    return work(directory)
  } finally {
    addon.closeFd(directory)
  }
}

/**
 * Open a file of ours. path: beneath the pool. Errors: of the host; EINVAL when it is no regular file, EMLINK when it
 * has other names, which may be those of a file of others.
 */
export function openNote(addon: Addon, pool: number, path: string, flags: number): number {
  const { O_NONBLOCK = 0 } = addon.constants
  const fd = addon.openBeneath(pool, path, flags | O_NONBLOCK, 0o600)
  const { mode, links } = addon.fileStatus(fd)
  const isRegular = (mode & hostConstants.S_IFMT) === hostConstants.S_IFREG
  if (isRegular && links <= 1) return fd
  addon.closeFd(fd)
  if (isRegular) throw new PmemError('EMLINK', 'open', 'the file has other names: remove it, or the other names', path)
  throw new PmemError('EINVAL', 'open', 'not a regular file: remove it', path)
}

/**
 * path: beneath the pool. Return: the text of a note; undefined when there is none, or none that this user may see.
 * Errors: Error saying why it cannot be read.
 */
export function readText(addon: Addon, pool: number, path: string): string | undefined {
  let fd: number
  try {
    fd = openNote(addon, pool, path, addon.constants['O_RDONLY'] as number)
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'EACCES')) return undefined
    throw error
  }
  try {
    const { size } = addon.fileStatus(fd)
    if (size > BYTES_MAX) throw new Error(`it has ${size} bytes, more than ${BYTES_MAX}`)
    const bytes = new Uint8Array(size)
    const read = addon.readFile(fd, addon.addressOf(bytes), bytes.length, 0)
    if (read !== bytes.length) throw new Error(`${read} of its ${size} bytes could be read`)
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } finally {
    addon.closeFd(fd)
  }
}

/** Where a pool is, and who writes there: no two may write one new note. */
export interface NotePlace {
  readonly pool: number
  readonly writer: number
}

/**
 * Replace the note of a name, by rename: whoever is killed meanwhile leaves the old one or the new one. What is in its
 * place is neither read nor followed.
 * Return: 0 or -errno of the host, with the old note in place.
 */
export function replaceNote(addon: Addon, place: NotePlace, kind: string, name: string, text: string): Errno {
  const { O_RDWR = 0, O_CREAT = 0 } = addon.constants
  // No file of a pool has a name that begins with a dot.
  const fresh = `.new-${place.writer}`
  try {
    const fd = openNote(addon, place.pool, `${kind}/${fresh}`, O_RDWR | O_CREAT)
    const bytes = new TextEncoder().encode(`${text}\n`)
    let error = addon.truncateFile(fd, 0)
    if (error >= 0) error = addon.writeFile(fd, addon.addressOf(bytes), bytes.length, 0)
    addon.closeFd(fd)
    if (error < 0) return error
    withDirectory(addon, place.pool, kind, (directory) => {
      renameSync(pathOf(directory, fresh), pathOf(directory, name))
    })
    return 0
  } catch (error) {
    return errnoOfNote(error)
  }
}

/** What is in the place of a note is none of ours: a link, a pipe, a directory, a file with other names. */
const PLANTED: readonly string[] = ['ELOOP', 'ENOTDIR', 'EISDIR', 'EINVAL', 'EMLINK', 'ENXIO']

/** Did the host refuse a note (no descriptor, a disk that fails), whatever is in it? */
export function isRefused(error: unknown): boolean {
  const code = error instanceof Error && 'errno' in error && 'code' in error ? error.code : undefined
  return typeof code === 'string' && !PLANTED.includes(code)
}

/** Names that have a note of a kind. Errors: of the host. */
export function namesWithNotes(addon: Addon, pool: number, kind: string): string[] {
  return withDirectory(addon, pool, kind, (directory) => readdirSync(pathOf(directory, '')))
}

/** The notes of all names, their directories open: what is done with them needs no descriptor any more. */
export class OpenNotes {
  constructor(private readonly directories: readonly number[]) {}

  /** Forget the notes of a name that is gone. Errors: of the host. */
  remove(name: string): void {
    for (const directory of this.directories) rmSync(pathOf(directory, name), { force: true })
  }

  /** The notes of a file that changes its name. Errors: of the host. */
  rename(from: string, to: string): void {
    for (const directory of this.directories) {
      try {
        renameSync(pathOf(directory, from), pathOf(directory, to))
      } catch (error) {
        if (!isErrno(error, 'ENOENT')) throw error
        rmSync(pathOf(directory, to), { force: true })
      }
    }
  }
}

/** Use the notes of some kinds, or of all. Errors: of the host; of `work`. */
export function withNotes<Result>(
  addon: Addon,
  pool: number,
  work: (notes: OpenNotes) => Result,
  kinds: readonly string[] = NOTE_DIRECTORIES,
): Result {
  const { O_PATH = 0, O_DIRECTORY = 0 } = addon.constants
  const directories: number[] = []
  try {
    for (const kind of kinds) {
      try {
        directories.push(addon.openBeneath(pool, kind, O_PATH | O_DIRECTORY, 0))
      } catch (error) {
        if (!isErrno(error, 'ENOENT')) throw error
      }
    }
    return work(new OpenNotes(directories))
  } finally {
    for (const directory of directories) addon.closeFd(directory)
  }
}

/** Forget the notes of a name that is gone; of some kinds or of all. Errors: of the host. */
export function removeNotes(addon: Addon, pool: number, name: string, kinds?: readonly string[]): void {
  withNotes(
    addon,
    pool,
    (notes) => {
      notes.remove(name)
    },
    kinds,
  )
}

/** As removeNotes. Return: 0 or -errno of the host. */
export function dropNotes(addon: Addon, pool: number, name: string, kind: string): Errno {
  try {
    removeNotes(addon, pool, name, [kind])
    return 0
  } catch (error) {
    return errnoOfNote(error)
  }
}

/** Return: -errno of what a note could not be opened, written or moved for. */
function errnoOfNote(error: unknown): Errno {
  if (error instanceof Error && 'errno' in error && typeof error.errno === 'number') return -Math.abs(error.errno)
  throw error
}
