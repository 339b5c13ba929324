/**
 * The bad blocks of a file, across mounts: pool/.faultline/badblocks/NAME, one line of JSON.
 *
 *   {"format":1,"blockSize":512,"bad":[[first,count],…],"latent":[[first,count],…],"sum":"…"}
 *
 * first and count are in blocks of 512 bytes from the start of the file, as the kernel and ndctl count them; runs are
 * in order and do not touch. `latent` are errors nobody has come across yet. Without bad blocks there is no note. A
 * note is replaced by rename: whoever is killed meanwhile leaves the old one or the new one. What it says of pages that
 * have no block (any more) means nothing. sum: see sealed-json.ts. To go on without a damaged note would hand out bytes
 * that are bad as if they were good, so a file with one cannot be opened.
 *
 * Uses the addon: names are resolved beneath the pool and nothing else.
 */
import type { Addon } from '../binding/addon.js'
import { PGOFF_LIMIT } from '../constants.js'
import { type Errno, PmemError } from '../errors.js'
import { openJson, sealJson } from '../sealed-json.js'
import { BAD_BLOCKS_DIRECTORY, type NotePlace, dropNotes, isRefused, readText, replaceNote } from './host-file-notes.js'
import { BAD_BLOCKS_PER_PAGE, BAD_BLOCK_SIZE, type BadRun } from './page-poison.js'

/** First block and number of blocks. */
type Pair = [first: number, count: number]

interface Note {
  readonly format: 1
  readonly blockSize: number
  readonly bad: readonly Pair[]
  readonly latent: readonly Pair[]
}

const NOTE_KEYS: readonly (keyof Note)[] = ['format', 'blockSize', 'bad', 'latent']

/** Replace the note of a name. Return: 0 or -errno of the host, with the old note in place. */
export function writeBadBlocks(addon: Addon, place: NotePlace, name: string, runs: readonly BadRun[]): Errno {
  if (runs.length > 0) return replaceNote(addon, place, BAD_BLOCKS_DIRECTORY, name, sealJson(noteOf(runs)))
  return dropNotes(addon, place.pool, name, BAD_BLOCKS_DIRECTORY)
}

/** Return: the runs noted, ascending and disjoint; none without a note. Errors: of the host; EIO when it is damaged. */
export function readBadBlocks(addon: Addon, pool: number, name: string): BadRun[] {
  const path = `${BAD_BLOCKS_DIRECTORY}/${name}`
  try {
    const text = readText(addon, pool, path)
    return text === undefined ? [] : parseBadBlocks(text)
  } catch (error) {
    if (isRefused(error)) throw error
    const why = `its list of bad blocks, ${path}, is damaged: ${(error as Error).message}`
    throw new PmemError('EIO', 'open', `${why}; remove the list to go on without it`, name)
  }
}

/** Errors: Error saying what is wrong with the text. */
export function parseBadBlocks(text: string): BadRun[] {
  const note: Partial<Record<keyof Note, unknown>> = openJson(text.trimEnd(), NOTE_KEYS)
  if (note.format !== 1 || note.blockSize !== BAD_BLOCK_SIZE) {
    throw new Error(`its format is not 1 or its blocks not ${BAD_BLOCK_SIZE} bytes`)
  }
  const runs = [...runsOf(note.bad, false), ...runsOf(note.latent, true)].sort((a, b) => a.first - b.first)
  const isDisjoint = runs.every((run, i) => {
    const before = runs[i - 1]
    return before === undefined || before.first + before.count <= run.first
  })
  if (!isDisjoint) throw new Error('its runs overlap')
  return runs
}

function noteOf(runs: readonly BadRun[]): Note {
  const pairs = (latent: boolean): Pair[] =>
    runs.filter((run) => run.latent === latent).map(({ first, count }) => [first, count])
  return { format: 1, blockSize: BAD_BLOCK_SIZE, bad: pairs(false), latent: pairs(true) }
}

function runsOf(pairs: unknown, latent: boolean): BadRun[] {
  if (!Array.isArray(pairs) || !pairs.every(isPair)) throw new Error('its runs are no pairs of block numbers')
  return pairs.map(([first, count]) => ({ first, count, latent }))
}

function isPair(value: unknown): value is Pair {
  if (!Array.isArray(value) || value.length !== 2) return false
  const [first, count] = value as [number, number]
  if (!Number.isSafeInteger(first) || !Number.isSafeInteger(count)) return false
  return first >= 0 && count > 0 && first + count <= PGOFF_LIMIT * BAD_BLOCKS_PER_PAGE
}
