/**
 * The bad blocks of a file, across mounts: pool/.faultline/badblocks/NAME, one line of JSON.
 *
 *   {"format":1,"blockSize":512,"bad":[[first,count],…],"latent":[[first,count],…]}
 *
 * first and count are in blocks of 512 bytes from the start of the file, as the kernel and ndctl count them; runs are
 * in order and do not touch. `latent` are errors nobody has come across yet. Without bad blocks there is no note. A
 * note is replaced by rename: whoever is killed meanwhile leaves the old one or the new one. What it says of pages that
 * have no block (any more) means nothing.
 *
 * Uses the addon: names are resolved beneath the pool and nothing else.
 */
import { renameSync } from 'node:fs'
import type { Addon } from '../binding/addon.js'
import { PGOFF_LIMIT } from '../constants.js'
import type { Errno } from '../errors.js'
import {
  BAD_BLOCKS_DIRECTORY,
  errnoOfNote,
  openNote,
  pathOf,
  readText,
  removeNotes,
  withDirectory,
} from './host-file-notes.js'
import { BAD_BLOCKS_PER_PAGE, BAD_BLOCK_SIZE, type BadRun } from './page-poison.js'

/** First block and number of blocks. */
type Pair = [first: number, count: number]

interface Note {
  readonly format: 1
  readonly blockSize: number
  readonly bad: readonly Pair[]
  readonly latent: readonly Pair[]
}

/** Where a pool is, and who writes there: no two may write one new note. */
export interface NotePlace {
  readonly pool: number
  readonly writer: number
}

/** Replace the note of a name. Return: 0 or -errno of the host, with the old note in place. */
export function writeBadBlocks(addon: Addon, place: NotePlace, name: string, runs: readonly BadRun[]): Errno {
  const { constants: c } = addon
  // No file of a pool has a name that begins with a dot.
  const fresh = `.new-${place.writer}`
  try {
    if (runs.length === 0) {
      removeNotes(addon, place.pool, name, [BAD_BLOCKS_DIRECTORY])
      return 0
    }
    const flags = (c['O_RDWR'] as number) | (c['O_CREAT'] as number)
    const fd = openNote(addon, place.pool, `${BAD_BLOCKS_DIRECTORY}/${fresh}`, flags)
    const bytes = new TextEncoder().encode(`${JSON.stringify(noteOf(runs))}\n`)
    let error = addon.truncateFile(fd, 0)
    if (error >= 0) error = addon.writeFile(fd, addon.addressOf(bytes), bytes.length, 0)
    addon.closeFd(fd)
    if (error < 0) return error
    withDirectory(addon, place.pool, BAD_BLOCKS_DIRECTORY, (directory) => {
      renameSync(pathOf(directory, fresh), pathOf(directory, name))
    })
    return 0
  } catch (error) {
    return errnoOfNote(error)
  }
}

/** Return: the runs noted, ascending and disjoint; none when there is no note or it cannot be understood. */
export function readBadBlocks(addon: Addon, pool: number, name: string): BadRun[] {
  const text = readText(addon, pool, `${BAD_BLOCKS_DIRECTORY}/${name}`)
  try {
    return parseBadBlocks(text)
  } catch {
    return []
  }
}

/** Errors: SyntaxError when it is no JSON. Return: none when it is not of a form known here. */
export function parseBadBlocks(text: string): BadRun[] {
  if (text === '') return []
  const parsed: unknown = JSON.parse(text)
  if (typeof parsed !== 'object' || parsed === null) return []
  const note = parsed as Partial<Record<keyof Note, unknown>>
  if (note.format !== 1 || note.blockSize !== BAD_BLOCK_SIZE) return []
  const runs = [...runsOf(note.bad, false), ...runsOf(note.latent, true)].sort((a, b) => a.first - b.first)
  const isDisjoint = runs.every((run, i) => {
    const before = runs[i - 1]
    return before === undefined || before.first + before.count <= run.first
  })
  return isDisjoint ? runs : []
}

function noteOf(runs: readonly BadRun[]): Note {
  const pairs = (latent: boolean): Pair[] =>
    runs.filter((run) => run.latent === latent).map(({ first, count }) => [first, count])
  return { format: 1, blockSize: BAD_BLOCK_SIZE, bad: pairs(false), latent: pairs(true) }
}

function runsOf(pairs: unknown, latent: boolean): BadRun[] {
  if (!Array.isArray(pairs) || !pairs.every(isPair)) return []
  return pairs.map(([first, count]) => ({ first, count, latent }))
}

function isPair(value: unknown): value is Pair {
  if (!Array.isArray(value) || value.length !== 2) return false
  const [first, count] = value as [number, number]
  if (!Number.isSafeInteger(first) || !Number.isSafeInteger(count)) return false
  return first >= 0 && count > 0 && first + count <= PGOFF_LIMIT * BAD_BLOCKS_PER_PAGE
}
