/**
 * Which blocks of a file are allocated and hold no data on the host, across mounts.
 *
 * The host file tells holes from data. What it cannot tell are blocks that were allocated and never stored to: neither
 * unwritten ones, nor written ones full of zeroes. So each file that has such blocks has a small note beside the pool's
 * lock: pool/.faultline/blocks/NAME, one line of JSON with its checksum (sealed-json.ts). Losing it loses no byte, only
 * the promise that stores to these blocks need no space; where note and data disagree, data wins. So a damaged note
 * counts as none, and mount says so.
 *
 * A note is replaced by rename: whoever is killed meanwhile leaves the old one or the new one.
 *
 * What leaves the file leaves the note at once, before anyone else can have the space: else a crash would bring back
 * blocks that are another file's by then.
 *
 * To note them, instead of writing zeroes into the file, is what makes a commit safe beside everything else that writes
 * media: it can never put zeroes over a line that was made durable meanwhile.
 *
 * Uses the addon: names are resolved beneath the pool and nothing else.
 */
import type { Addon } from '../binding/addon.js'
import { PGOFF_LIMIT, Page } from '../constants.js'
import type { Errno } from '../errors.js'
import { openJson, sealJson } from '../sealed-json.js'
import { BLOCKS_DIRECTORY, type NotePlace, dropNotes, isRefused, readText, replaceNote } from './host-file-notes.js'

/** Blocks without data: pages [first, end). */
export interface NotedRun {
  readonly first: number
  readonly end: number
  readonly written: boolean
}

/** First page and number of pages, as the note has them. */
type Pair = [first: number, pages: number]

interface Note {
  readonly format: 1
  readonly pageSize: number
  readonly unwritten: readonly Pair[]
  readonly written: readonly Pair[]
}

const NOTE_KEYS: readonly (keyof Note)[] = ['format', 'pageSize', 'unwritten', 'written']

/** Replace the note of a name; no runs, no note. Return: 0 or -errno of the host, with the old note in place. */
export function writeNote(addon: Addon, place: NotePlace, name: string, runs: readonly NotedRun[]): Errno {
  if (runs.length > 0) return replaceNote(addon, place, BLOCKS_DIRECTORY, name, sealJson(noteOf(runs)))
  return dropNotes(addon, place.pool, name, BLOCKS_DIRECTORY)
}

/** Return: the runs noted, ascending and disjoint; none when there is no note or it is damaged. Errors: of the host. */
export function readNote(addon: Addon, pool: number, name: string): NotedRun[] {
  try {
    return checkNote(addon, pool, name)
  } catch (error) {
    if (isRefused(error)) throw error
    return []
  }
}

/** Return: as readNote. Errors: Error saying how the note is damaged. */
export function checkNote(addon: Addon, pool: number, name: string): NotedRun[] {
  const text = readText(addon, pool, `${BLOCKS_DIRECTORY}/${name}`)
  return text === undefined ? [] : parse(text)
}

/** Take pages [first, end) out of the note. Return: how many runs are left, or -errno. */
export function trimNote(addon: Addon, place: NotePlace, name: string, first: number, end: number): Errno {
  let before: NotedRun[]
  try {
    before = readNote(addon, place.pool, name)
  } catch (error) {
    return -Math.abs((error as { errno: number }).errno)
  }
  const after = before.flatMap((run) => partsWithout(run, [{ first, end, written: false }]))
  const error = isSame(before, after) ? 0 : writeNote(addon, place, name, after)
  return error < 0 ? error : after.length
}

function isSame(a: readonly NotedRun[], b: readonly NotedRun[]): boolean {
  return a.length === b.length && a.every((run, i) => run.first === b[i]?.first && run.end === b[i].end)
}

/** What of a run is in none of the others, which are ascending and disjoint. */
export function partsWithout(run: NotedRun, others: readonly NotedRun[]): NotedRun[] {
  const parts: NotedRun[] = []
  let { first } = run
  for (const other of others) {
    if (other.end <= first || other.first >= run.end) continue
    if (other.first > first) parts.push({ ...run, first, end: other.first })
    first = other.end
  }
  if (first < run.end) parts.push({ ...run, first })
  return parts
}

function noteOf(runs: readonly NotedRun[]): Note {
  const pairs = (written: boolean): Pair[] =>
    runs.filter((run) => run.written === written).map(({ first, end }) => [first, end - first])
  return { format: 1, pageSize: Page.Size, unwritten: pairs(false), written: pairs(true) }
}

function parse(text: string): NotedRun[] {
  const note: Partial<Record<keyof Note, unknown>> = openJson(text.trimEnd(), NOTE_KEYS)
  if (note.format !== 1 || note.pageSize !== Page.Size)
    throw new Error('its format is not 1 or its pages not 4096 bytes')
  const runs = [...runsOf(note.unwritten, false), ...runsOf(note.written, true)].sort((a, b) => a.first - b.first)
  const isDisjoint = runs.every((run, i) => i === 0 || (runs[i - 1] as NotedRun).end <= run.first)
  if (!isDisjoint) throw new Error('its runs overlap')
  return runs
}

function runsOf(pairs: unknown, written: boolean): NotedRun[] {
  if (!Array.isArray(pairs) || !pairs.every(isPair)) throw new Error('its runs are no pairs of page numbers')
  return pairs.map(([first, pages]) => ({ first, end: first + pages, written }))
}

function isPair(value: unknown): value is Pair {
  if (!Array.isArray(value) || value.length !== 2) return false
  const [first, pages] = value as [number, number]
  if (!Number.isSafeInteger(first) || !Number.isSafeInteger(pages)) return false
  return first >= 0 && pages > 0 && first + pages <= PGOFF_LIMIT
}
