/**
 * Notes: small files beside the media files, in the hidden directory of a pool, one a name and kind. A note belongs to
 * its name: it goes with it, by unlink and by rename.
 */
import { renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Addon } from '../binding/addon.js'
import { isErrno } from '../errors.js'

const BYTES_MAX = 16 * 2 ** 20

/** Which blocks are allocated and hold no data: host-file-blocks.ts. */
export const BLOCKS_DIRECTORY = '.faultline/blocks'
/** Which blocks have memory errors: host-file-bad-blocks.ts. */
export const BAD_BLOCKS_DIRECTORY = '.faultline/badblocks'

/** Where notes are, beneath the pool. */
export const NOTE_DIRECTORIES = [BLOCKS_DIRECTORY, BAD_BLOCKS_DIRECTORY] as const

/**
 * path: beneath the pool. Return: the text of a note; undefined when there is none, or none that this user may see.
 * Errors: Error saying why it cannot be read.
 */
export function readText(addon: Addon, pool: number, path: string): string | undefined {
  let fd: number
  try {
    fd = addon.openBeneath(pool, path, addon.constants['O_RDONLY'] as number, 0)
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

/** Did the host refuse a note (no descriptor, a disk that fails), whatever is in it? */
export function isRefused(error: unknown): boolean {
  return error instanceof Error && 'errno' in error && typeof error.errno === 'number'
}

/** Forget the notes of a name that is gone; of some kinds or of all. */
export function removeNotes(root: string, name: string, kinds: readonly string[] = NOTE_DIRECTORIES): void {
  for (const directory of kinds) rmSync(join(root, directory, name), { force: true })
}

/** The notes of a file that changes its name. */
export function renameNotes(root: string, from: string, to: string): void {
  for (const directory of NOTE_DIRECTORIES) {
    try {
      renameSync(join(root, directory, from), join(root, directory, to))
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error
      rmSync(join(root, directory, to), { force: true })
    }
  }
}
