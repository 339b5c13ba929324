/**
 * An append-only record log in a pool: log files of a fixed size, one after another; when one is full the next begins.
 *
 * A new file counts once its magic is durable (see log-file.ts), so at most the newest can be half made; it has no
 * records then, and is made anew by the next writer.
 */
import { assert } from '../../assert.js'
import { Page } from '../../constants.js'
import type { DaxFile } from '../../fs/dax-file.js'
import type { DaxMapping } from '../../fs/dax-mapping.js'
import type { Pmem } from '../../fs/pmem.js'
import { type DurableMemory, LogFile, type LogRecord, TornLogError } from './log-file.js'

/** Makes these bytes of a mapping durable before it returns. */
export type Persist = (mapping: DaxMapping, offset: number, length: number) => void

export interface RecordLogOptions {
  /** Bytes of each file. Default 1 MiB. */
  fileBytes?: number
  /** Default msyncBytes. */
  persist?: Persist
  /** Only look: nothing is made or repaired. */
  readOnly?: boolean
}

interface OpenLogFile {
  readonly log: LogFile
  readonly file: DaxFile
  readonly mapping: DaxMapping
}

/** By msync, which takes whole pages. */
export const msyncBytes: Persist = (mapping, offset, length) => {
  const start = offset - (offset % Page.Size)
  mapping.msync(start, offset + length - start)
}

/** By cache line: clwb and sfence. */
export const persistBytes: Persist = (mapping, offset, length) => mapping.persist(offset, length)

export class RecordLog implements Disposable {
  readonly #pmem: Pmem
  readonly #fileBytes: number
  readonly #persist: Persist
  readonly #readOnly: boolean
  readonly #files: OpenLogFile[] = []

  /** Errors: TornLogError when the log holds what was never published; PmemError. */
  constructor(pmem: Pmem, options: RecordLogOptions = {}) {
    this.#pmem = pmem
    this.#fileBytes = options.fileBytes ?? 2 ** 20
    this.#persist = options.persist ?? msyncBytes
    this.#readOnly = options.readOnly ?? false
    const names = pmem.list().filter((name) => /^log-\d+\.pm$/.test(name))
    try {
      for (const name of names) this.#open(name, name === names.at(-1))
    } catch (error) {
      this.close()
      throw error
    }
  }

  /** Sequence number of the last record, 0 when there is none. */
  get last(): number {
    return (this.#files.at(-1)?.log.next ?? 1) - 1
  }

  get fileCount(): number {
    return this.#files.length
  }

  /** Add a record; at risk until commit(). Return: its sequence number. */
  append(payload: Uint8Array): number {
    const current = this.#files.at(-1)?.log
    if (current?.hasRoomFor(payload.length) === true) return current.append(payload)
    current?.commit()
    return this.#begin(`log-${String(this.#files.length + 1).padStart(6, '0')}.pm`, this.last + 1).append(payload)
  }

  /** Return: the last record's sequence number; that one and all before it are durable. */
  commit(): number {
    this.#files.at(-1)?.log.commit()
    return this.last
  }

  *records(): Generator<LogRecord> {
    for (const { log } of this.#files) yield* log.records()
  }

  close(): void {
    for (const { mapping, file } of this.#files.splice(0)) {
      mapping.unmap()
      file.close()
    }
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** Errors: TornLogError. */
  #open(name: string, newest: boolean): void {
    const file = this.#pmem.open(name, { readOnly: this.#readOnly })
    const opened = this.#attempt(file, (mapping) => {
      const log = LogFile.open(this.#durable(mapping))
      if (log === undefined && !newest) throw new TornLogError(`'${name}' is unfinished, but files follow it`)
      if (log === undefined || log.first === this.last + 1) return log
      throw new TornLogError(`'${name}' begins at record ${log.first} but follows record ${this.last}`)
    })
    if (opened !== undefined) this.#files.push(opened)
  }

  #begin(name: string, first: number): LogFile {
    const file = this.#pmem.open(name, { create: true, size: this.#fileBytes })
    const opened = this.#attempt(file, (mapping) => LogFile.create(this.#durable(mapping), first))
    assert(opened !== undefined, 'a created log file is a log file')
    this.#files.push(opened)
    return opened.log
  }

  /** Map the file and make a log of it; nothing stays open when there is none. */
  #attempt(file: DaxFile, use: (mapping: DaxMapping) => LogFile | undefined): OpenLogFile | undefined {
    // Its maker may have died between making the name and giving it its size.
    if (file.size < this.#fileBytes && !this.#readOnly) file.truncate(this.#fileBytes)
    let mapping: DaxMapping | undefined
    let log: LogFile | undefined
    try {
      if (file.size === 0) return undefined
      mapping = file.mmap({ protection: this.#readOnly ? 'r' : 'rw' })
      log = use(mapping)
      return log === undefined ? undefined : { log, file, mapping }
    } finally {
      if (log === undefined) {
        mapping?.unmap()
        file.close()
      }
    }
  }

  #durable(mapping: DaxMapping): DurableMemory {
    return {
      buffer: mapping.buffer,
      persist: (offset, length) => this.#persist(mapping, offset, length),
    }
  }
}
