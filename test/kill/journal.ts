/**
 * The journal of a kill test: what the child is about to do (before it does it) and what came back (after).
 *
 * A file outside the pool, appended to with one write(2) for each record, so that it survives a SIGKILL to the last
 * record, and so that several threads may write it. Lines are of one thread each: only the order of one thread's
 * records means anything.
 */
import { closeSync, existsSync, openSync, readFileSync, writeSync } from 'node:fs'
import { type FileHistory, lineContent } from './line-history.js'

export type JournalRecord =
  /** Content of each line is lineContent(line, serial). */
  | { readonly op: 'store' | 'write'; readonly lines: readonly number[]; readonly serial: number }
  | { readonly op: 'zero'; readonly lines: readonly number[] }
  | { readonly op: 'resize' | 'resized'; readonly size: number }
  /** Returned: a sync, a fence after flushes of these lines, a call that made zeroes. */
  | { readonly op: 'synced' | 'flushed' | 'fenced'; readonly lines: readonly number[] }

export class Journal {
  readonly #fd: number

  constructor(path: string) {
    this.#fd = openSync(path, 'a')
  }

  note(record: JournalRecord): void {
    writeSync(this.#fd, `${JSON.stringify(record)}\n`)
  }

  close(): void {
    closeSync(this.#fd)
  }
}

/** Return: the records; the last one may have been cut off by the kill, and then says nothing. */
export function readJournal(path: string): JournalRecord[] {
  if (!existsSync(path)) return []
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1)
  return lines.map((line) => JSON.parse(line) as JournalRecord)
}

export function applyRecord(history: FileHistory, record: JournalRecord): void {
  switch (record.op) {
    case 'store':
    case 'write':
      for (const line of record.lines) {
        history.change(line, record.op === 'store' ? 'store' : 'bulk', lineContent(line, record.serial))
      }
      break
    case 'zero':
      for (const line of record.lines) history.change(line, 'bulk')
      break
    case 'resize':
      history.resize(record.size)
      break
    case 'resized':
      history.resized(record.size)
      break
    case 'synced':
      for (const line of record.lines) history.acknowledge(line)
      break
    case 'flushed':
      for (const line of record.lines) history.flush(line)
      break
    case 'fenced':
      for (const line of record.lines) history.fence(line)
      break
  }
}
