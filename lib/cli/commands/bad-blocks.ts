/** faultline poison, badblocks, clear: memory errors of files of a pool, in ndctl's words. */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { addon } from '../../binding/load.js'
import { isErrno } from '../../errors.js'
import type { FileBadBlocks } from '../../fs/pmem.js'
import { PRIVATE_DIRECTORY, listPool } from '../../fs/pool-directory.js'
import { readBadBlocks } from '../../media/host-file-bad-blocks.js'
import { BAD_BLOCK_SIZE } from '../../media/page-poison.js'
import { CommandError, ExitStatus, requireMachine } from '../failure.js'
import { formatTable, print, printJson } from '../format.js'
import { capacityFor, withMount } from '../with-mount.js'

export interface RangeOptions {
  /** Bytes. */
  readonly offset: number
  readonly length: number
  readonly latent?: boolean
}

/** As `ndctl list --media-errors` prints them: in blocks of 512 bytes from the start of the file. */
interface MediaErrors {
  readonly file: string
  readonly badblock_count: number
  readonly badblocks: readonly { readonly offset: number; readonly length: number }[]
}

/** Errors: CommandError, PmemError. */
export async function poisonCommand(pool: string, file: string, options: RangeOptions): Promise<ExitStatus> {
  const { offset, length, latent = false } = options
  const count = await withPool(pool, (pmem) => pmem.poison(file, offset, length, { latent }))
  if (count === 0) throw new CommandError(`'${file}' has no written blocks there: nothing can go bad`)
  print(`${countBlocks(count)} of '${file}' ${count === 1 ? 'is' : 'are'} bad now${latent ? ', and nobody knows' : ''}`)
  return ExitStatus.Ok
}

/** Errors: CommandError, PmemError. */
export async function clearCommand(pool: string, file: string, options: RangeOptions): Promise<ExitStatus> {
  const count = await withPool(pool, (pmem) => pmem.clearPoison(file, options.offset, options.length))
  print(`${countBlocks(count)} of '${file}' cleared`)
  return ExitStatus.Ok
}

/** Of one file, or of all. Errors: CommandError, PmemError. */
export async function badBlocksCommand(
  pool: string,
  file: string | undefined,
  options: { json?: boolean },
): Promise<ExitStatus> {
  const lists = (await mountedLists(pool, file)) ?? notedLists(resolve(pool), file)
  const errors = lists.map(mediaErrors)
  if (options.json === true) printJson(file === undefined ? errors : errors[0])
  else if (errors.every(({ badblock_count: count }) => count === 0)) print('no bad blocks')
  else {
    const rows = errors.flatMap(({ file: name, badblocks }) =>
      badblocks.map(({ offset, length }) => [name, String(offset), String(length), String(offset * BAD_BLOCK_SIZE)]),
    )
    print(formatTable(['file', 'block', 'blocks of 512', 'byte'], rows))
  }
  return ExitStatus.Ok
}

/** Return: undefined when another process has the pool: then what it keeps beside its files must do. */
async function mountedLists(pool: string, file: string | undefined): Promise<readonly FileBadBlocks[] | undefined> {
  try {
    return await withPool(pool, (pmem) => (file === undefined ? pmem.badBlocks() : [pmem.badBlocks(file)]))
  } catch (error) {
    if (isErrno(error, 'EBUSY')) return undefined
    throw error
  }
}

function notedLists(root: string, file: string | undefined): readonly FileBadBlocks[] {
  const directory = addon.openDirectory(root)
  try {
    const names = file === undefined ? listPool(root) : [file]
    const lists = names.map((name) => ({
      file: name,
      blocks: readBadBlocks(addon, directory, name)
        .filter(({ latent }) => !latent)
        .map(({ first, count }) => ({ offset: first * BAD_BLOCK_SIZE, length: count * BAD_BLOCK_SIZE })),
    }))
    return file === undefined ? lists.filter(({ blocks }) => blocks.length > 0) : lists
  } finally {
    addon.closeFd(directory)
  }
}

function mediaErrors({ file, blocks }: FileBadBlocks): MediaErrors {
  const badblocks = blocks.map(({ offset, length }) => ({
    offset: offset / BAD_BLOCK_SIZE,
    length: length / BAD_BLOCK_SIZE,
  }))
  return { file, badblock_count: badblocks.reduce((sum, { length }) => sum + length, 0), badblocks }
}

/** A directory is not turned into a pool by these commands. */
async function withPool<Result>(path: string, work: Parameters<typeof withMount<Result>>[2]): Promise<Result> {
  const pool = resolve(path)
  if (!existsSync(join(pool, PRIVATE_DIRECTORY))) {
    throw new CommandError(`'${pool}' is not a pool: it has no ${PRIVATE_DIRECTORY} directory`)
  }
  requireMachine()
  return withMount(pool, { faultWorkers: 1, capacity: capacityFor(pool) }, work)
}

function countBlocks(count: number): string {
  return `${count} ${count === 1 ? 'block' : 'blocks'} of 512 bytes`
}
