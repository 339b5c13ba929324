/**
 * Which blocks of a file are allocated and unwritten, across mounts.
 *
 * The host file tells holes from data, not unwritten blocks from holes. So each file that has unwritten blocks has a
 * small note beside the pool's lock: pool/.faultline/unwritten/NAME, one line of JSON. Losing it loses no byte, only
 * the promise that stores to these blocks need no space; where note and data disagree, data wins.
 *
 * Uses the addon: names are resolved beneath the pool and nothing else.
 */
import type { Addon } from '../binding/addon.js'
import { Page } from '../constants.js'
import { type Errno, ErrorNumber, isErrno } from '../errors.js'

export const UNWRITTEN_DIRECTORY = '.faultline/unwritten'

/** First page and number of pages of a run. */
export type PageRun = [first: number, pages: number]

const BYTES_MAX = 16 * 2 ** 20

/** Replace the note; an empty list empties it. Return: 0 or -errno. */
export function writeUnwritten(addon: Addon, pool: number, name: string, runs: readonly PageRun[]): Errno {
  const { constants: c } = addon
  const create = runs.length > 0 ? (c['O_CREAT'] as number) : 0
  let fd: number
  try {
    fd = addon.openBeneath(pool, `${UNWRITTEN_DIRECTORY}/${name}`, (c['O_RDWR'] as number) | create, 0o600)
  } catch (error) {
    if (runs.length === 0 && isErrno(error, 'ENOENT')) return 0
    return error instanceof Error && 'errno' in error ? -Math.abs(error.errno as number) : -ErrorNumber.EIO
  }
  const text = runs.length === 0 ? '' : `${JSON.stringify({ format: 1, pageSize: Page.Size, unwritten: runs })}\n`
  const bytes = new TextEncoder().encode(text)
  let error = addon.truncateFile(fd, 0)
  if (error >= 0 && bytes.length > 0) error = addon.writeFile(fd, addon.addressOf(bytes), bytes.length, 0)
  addon.closeFd(fd)
  return error < 0 ? error : 0
}

/** Return: the runs noted, none when there is no note or it cannot be understood. */
export function readUnwritten(addon: Addon, pool: number, name: string): PageRun[] {
  let fd: number
  try {
    fd = addon.openBeneath(pool, `${UNWRITTEN_DIRECTORY}/${name}`, addon.constants['O_RDONLY'] as number, 0)
  } catch {
    return []
  }
  try {
    const { size } = addon.fileStatus(fd)
    const bytes = new Uint8Array(Math.min(size, BYTES_MAX))
    if (addon.readFile(fd, addon.addressOf(bytes), bytes.length, 0) !== bytes.length) return []
    return parse(new TextDecoder().decode(bytes))
  } catch {
    return []
  } finally {
    addon.closeFd(fd)
  }
}

function parse(text: string): PageRun[] {
  if (text === '') return []
  const note = JSON.parse(text) as { format?: unknown; unwritten?: unknown }
  if (note.format !== 1 || !Array.isArray(note.unwritten)) return []
  const runs = note.unwritten as unknown[]
  return runs.every(isRun) ? runs.sort(([a], [b]) => a - b) : []
}

function isRun(value: unknown): value is PageRun {
  if (!Array.isArray(value) || value.length !== 2) return false
  const [first, pages] = value as unknown[]
  return Number.isSafeInteger(first) && Number.isSafeInteger(pages) && (first as number) >= 0 && (pages as number) > 0
}
