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

/** Return: the text of a note; empty when there is none or it cannot be read. path: beneath the pool. */
export function readText(addon: Addon, pool: number, path: string): string {
  let fd: number
  try {
    fd = addon.openBeneath(pool, path, addon.constants['O_RDONLY'] as number, 0)
  } catch {
    return ''
  }
  try {
    const { size } = addon.fileStatus(fd)
    const bytes = new Uint8Array(Math.min(size, BYTES_MAX))
    if (addon.readFile(fd, addon.addressOf(bytes), bytes.length, 0) !== bytes.length) return ''
    return new TextDecoder().decode(bytes)
  } catch {
    return ''
  } finally {
    addon.closeFd(fd)
  }
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
