/** faultline stat FILE: what the kernel knows of a media file. */
import { existsSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { addon } from '../../binding/load.js'
import type { LockingName } from '../../config.js'
import { isErrno } from '../../errors.js'
import type { FileExtent, FileStat } from '../../fs/dax-file.js'
import { PRIVATE_DIRECTORY, flag, forEachDataRange, isValidName, ownerOf } from '../../fs/pool-directory.js'
import { Page } from '../../constants.js'
import { CommandError, ExitStatus, requireMachine } from '../failure.js'
import { capacityFor, withMount } from '../with-mount.js'
import { type Cell, formatBytes, formatPairs, formatTable, print, printJson } from '../format.js'

/** Without --json. */
const EXTENTS_SHOWN = 40

interface Extent {
  readonly start: number
  readonly end: number
  readonly state: 'hole' | FileExtent['state']
  readonly pfn: number | null
}

interface Picture {
  readonly file: string
  readonly pool: string
  /** Pid of the process that has the pool mounted; null: nobody has, all is told. */
  readonly mountedBy: number | null
  /** Design of the mount that was looked at; null: known to the process that has the pool mounted only. */
  readonly locking: LockingName | null
  readonly size: number
  /** Of 512 bytes. */
  readonly blocks: number
  readonly extents: readonly Extent[]
  /** null: known to the process that has the pool mounted only. */
  readonly entries: FileStat['entries'] | null
  readonly tags: FileStat['tags'] | null
}

/** Errors: CommandError, PmemError, errors of the host. */
export async function statCommand(path: string, options: { json?: boolean }): Promise<ExitStatus> {
  const file = resolve(path)
  const pool = dirname(file)
  requirePoolFile(file, pool)
  const picture = (await mountedPicture(file, pool)) ?? hostPicture(file, pool)
  if (options.json === true) printJson(picture)
  else printPicture(picture)
  return ExitStatus.Ok
}

/** A look must not turn a directory into a pool. Errors: CommandError. */
function requirePoolFile(file: string, pool: string): void {
  const status = statSync(file, { throwIfNoEntry: false })
  if (status === undefined) throw new CommandError(`no such file: '${file}'`)
  if (status.isDirectory()) throw new CommandError(`'${file}' is a directory: name a file in a pool`)
  if (!existsSync(join(pool, PRIVATE_DIRECTORY))) {
    throw new CommandError(`'${pool}' is not a pool: it has no ${PRIVATE_DIRECTORY} directory`)
  }
  if (!status.isFile() || !isValidName(basename(file))) throw new CommandError(`'${file}' is not a media file`)
}

/** Return: undefined when another process has the pool. */
async function mountedPicture(file: string, pool: string): Promise<Picture | undefined> {
  requireMachine()
  try {
    return await withMount(pool, { faultWorkers: 1, capacity: capacityFor(pool) }, (pmem) => {
      using opened = pmem.open(basename(file), { readOnly: true })
      const { size, blocks, extents, entries, tags } = opened.stat()
      const { locking } = pmem.stats()
      return { file, pool, mountedBy: null, locking, size, blocks, extents: withHoles(extents, size), entries, tags }
    })
  } catch (error) {
    if (isErrno(error, 'EBUSY')) return undefined
    throw error
  }
}

/** From outside: size and data of the host file. */
function hostPicture(file: string, pool: string): Picture {
  const { size, blocks } = statSync(file)
  const extents: FileExtent[] = []
  const directory = addon.openDirectory(pool)
  try {
    const fd = addon.openBeneath(directory, basename(file), flag(addon.constants, 'O_RDONLY'), 0)
    try {
      forEachDataRange(addon, fd, size, (first, end) => {
        extents.push({ start: first * Page.Size, end: end * Page.Size, state: 'written', pfn: 0 })
      })
    } finally {
      addon.closeFd(fd)
    }
  } finally {
    addon.closeFd(directory)
  }
  const complete = withHoles(extents, size).map((extent) => ({ ...extent, pfn: null }))
  return {
    file,
    pool,
    mountedBy: ownerOf(pool),
    locking: null,
    size,
    blocks,
    extents: complete,
    entries: null,
    tags: null,
  }
}

/** Extents in order with what is between them, to the end of the file. */
function withHoles(extents: readonly FileExtent[], size: number): Extent[] {
  const complete: Extent[] = []
  let done = 0
  const addHole = (end: number): void => {
    if (end > done) complete.push({ start: done, end, state: 'hole', pfn: null })
  }
  for (const { start, end, state, pfn } of extents) {
    addHole(start)
    complete.push({ start, end, state, pfn })
    done = end
  }
  addHole(Math.ceil(size / Page.Size) * Page.Size)
  return complete
}

function printPicture(picture: Picture): void {
  const { size, blocks, extents, entries, tags, mountedBy, locking } = picture
  const owner = `process ${String(mountedBy)}`
  print(
    formatPairs([
      ['file', picture.file],
      ['mounted', mountedBy === null ? 'no (looked at through a mount of this command)' : `by ${owner}`],
      ['locking', locking ?? `known to ${owner} only`],
      ['size', `${formatBytes(size)}${size < 1024 ? '' : ` (${size})`}`],
      ['allocated', formatBytes(blocks * 512)],
      ['entries', entries === null ? `known to ${owner} only` : describeEntries(entries)],
      ['tags', tags === null ? `known to ${owner} only` : `${tags.dirty} dirty, ${tags.towrite} towrite`],
    ]),
  )
  const rows = extents.slice(0, EXTENTS_SHOWN).map(({ start, end, state, pfn }): Cell[] => {
    return [state, String(start), String(end), formatBytes(end - start), pfn === null ? '-' : String(pfn)]
  })
  if (rows.length > 0) print(formatTable(['extent', 'start', 'end', 'length', 'pfn'], rows))
  if (extents.length > EXTENTS_SHOWN) print(`${extents.length - EXTENTS_SHOWN} more: see --json`)
  if (mountedBy !== null)
    print('seen from outside: unwritten extents look like holes, page frame numbers are not known')
}

function describeEntries(entries: FileStat['entries']): string {
  const kinds = Object.entries(entries).map(([kind, count]) => `${count} ${kind}`)
  return kinds.length === 0
    ? 'none (they live while pages are in use, in the process that mounted the pool)'
    : kinds.join(', ')
}
