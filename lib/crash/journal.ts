/**
 * What an exploration has found so far, on disk, so that another process can go on: one JSON document a line.
 *
 *   {"identity": …}          first line: of what
 *   {"look": n, …outcome}    what came of a look that has more to tell than "nothing wrong"
 *   {"at": n}                looks before n are over
 *
 * Each line has its checksum (sealed-json.ts): believing a wrong number would pass over images nobody has looked at. A
 * line that a death cut short is taken away by the next run, so any other that is damaged is an error.
 *
 * The n-th look is the same in every run of the same log with the same options. So going on is to walk the same states
 * again without recovering from their images, which is fast, until the first look that is not in the journal.
 */
import { closeSync, existsSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import { openSealedJson, sealJson } from '../sealed-json.js'
import type { Outcome } from './exploration.js'

const FLUSH_MS = 100

export class JournalError extends Error {
  override readonly name = 'JournalError'
}

/** Errors: JournalError for what the host says of the file. */
function ofHost<Value>(path: string, work: () => Value): Value {
  try {
    return work()
  } catch (error) {
    throw new JournalError(`${path} cannot be used as a journal: ${(error as Error).message}`)
  }
}

export class Journal {
  readonly #path: string
  readonly #file: number
  readonly #outcomes: ReadonlyMap<number, Outcome>
  /** Looks before this one were made by an earlier run. */
  readonly #end: number
  readonly #isStrict: boolean
  #lines: string[] = []
  #flushed = performance.now()
  #at: number

  /**
   * identity: names log and options. isStrict: nothing that was said may be lost when the process dies.
   * Errors: JournalError for a file that is none, of another campaign, or that the host does not give.
   */
  constructor(path: string, identity: string, isStrict: boolean) {
    const text = existsSync(path) ? ofHost(path, () => readFileSync(path, 'utf8')) : ''
    const before = text.slice(0, text.lastIndexOf('\n') + 1)
    // A run that died while it wrote the first line has left a part of it.
    if (before === '' && !sealJson({ identity }).startsWith(text))
      throw new JournalError(`${path} is no journal of an exploration`)
    const parsed = parseJournal(path, before, identity)
    this.#outcomes = parsed.outcomes
    this.#end = this.#at = parsed.end
    this.#isStrict = isStrict
    this.#path = path
    this.#file = ofHost(path, () => openSync(path, 'a'))
    if (before.length < text.length) ftruncateSync(this.#file, Buffer.byteLength(before))
    if (before === '') this.#write(sealJson({ identity }))
  }

  get resumedAt(): number {
    return this.#end
  }

  recall(look: number): Outcome | undefined {
    return look < this.#end ? (this.#outcomes.get(look) ?? {}) : undefined
  }

  /** A look begins: before it, whatever was said is on disk. */
  begin(look: number): void {
    if (this.#isStrict) this.#write(sealJson({ at: look, running: true }))
  }

  add(look: number, outcome: Outcome): void {
    const { complaint, key, inRecovery } = outcome
    this.#at = look + 1
    if (complaint !== undefined || key !== undefined) {
      const line = sealJson({ look, key, inRecovery, complaint: complaint && { ...pick(complaint) } })
      if (this.#isStrict) this.#write(line)
      else this.#lines.push(line)
    }
    if (!this.#isStrict && performance.now() - this.#flushed > FLUSH_MS) this.flush()
  }

  flush(): void {
    this.#flushed = performance.now()
    this.#write([...this.#lines.splice(0), sealJson({ at: this.#at })].join('\n'))
  }

  close(): void {
    this.flush()
    closeSync(this.#file)
  }

  #write(text: string): void {
    ofHost(this.#path, () => writeSync(this.#file, `${text}\n`))
  }
}

function pick({ oracle, message }: { oracle: string; message: string }): { oracle: string; message: string } {
  return { oracle, message }
}

interface JournalLine {
  readonly identity?: string
  readonly look?: number
  readonly at?: number
  readonly running?: boolean
}

function parseJournal(path: string, text: string, identity: string): { outcomes: Map<number, Outcome>; end: number } {
  const outcomes = new Map<number, Outcome>()
  let end = 0
  for (const [index, line] of text.split('\n').entries()) {
    if (line === '') continue
    const entry = parseLine(line)
    if (index === 0 && entry?.identity === undefined) throw new JournalError(`${path} is no journal of an exploration`)
    if (entry === undefined) throw new JournalError(`${path} is damaged at line ${index + 1}; remove it`)
    if (entry.identity !== undefined && entry.identity !== identity) {
      throw new JournalError(`${path} is of another run: the workload or the options have changed; remove it`)
    }
    if (entry.at !== undefined) end = Math.max(end, entry.at)
    if (entry.look === undefined) continue
    outcomes.set(entry.look, entry as Outcome)
    end = Math.max(end, entry.look + 1)
  }
  return { outcomes, end }
}

function parseLine(line: string): JournalLine | undefined {
  try {
    return openSealedJson(line)
  } catch {
    return undefined
  }
}

/** The look that a process was in when it died; undefined: in none. Says what came of it, for the next process. */
export function blameLook(path: string, outcome: Outcome): number | undefined {
  if (!existsSync(path)) return undefined
  // A line that the death cut short was not said.
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1)
  const last = parseLine(lines.at(-1) ?? '')
  if (last?.at === undefined || last.running !== true) return undefined
  const file = openSync(path, 'a')
  writeSync(file, `${sealJson({ look: last.at, ...outcome })}\n`)
  closeSync(file)
  return last.at
}
