/**
 * The trace ring of a mount: fixed records in shared words, written by any thread, read by one.
 *
 *   header   2 words: listeners (0: nobody, emit does nothing), records written so far
 *   record   16 words: sequence (written last, the record's number + 1), event, thread, inode, mapping, flags, result,
 *            extra, four numbers of two words
 *   full     the oldest records are overwritten; a reader that was too slow learns how many it lost
 *   init     zero memory is an empty ring
 *
 * Concurrent writers claim a record with one atomic add. A reader takes a record only when its sequence says that it is
 * complete, and looks again after copying, so a record overwritten meanwhile counts as lost, never as garbage.
 */
import type { SharedWords } from '../sync/shared-words.js'
import { loadNumber, storeNumber } from '../sync/wide.js'
import type { Trace } from './tracepoints.js'

const enum Header {
  Listeners = 0,
  Written = 1,
  Size = 2,
}

const enum RecordWord {
  Sequence = 0,
  Event = 1,
  Thread = 2,
  Inode = 3,
  Mapping = 4,
  Flags = 5,
  Result = 6,
  Extra = 7,
  Numbers = 8,
  Size = 16,
}

/** One record, as read. What the numbers mean depends on the event: see trace/format.ts. */
export interface TraceRecord {
  readonly sequence: number
  readonly event: Trace
  readonly thread: number
  readonly inode: number
  readonly mapping: number
  readonly flags: number
  readonly result: number
  readonly extra: number
  readonly numbers: readonly [number, number, number, number]
}

export class TraceRing {
  static wordsFor(capacity: number): number {
    return Header.Size + capacity * RecordWord.Size
  }

  constructor(
    private readonly words: SharedWords,
    private readonly base: number,
    /** Records; a power of two. */
    readonly capacity: number,
  ) {}

  /** Is anyone listening? Plain load: callers ask before they compute what they would emit. */
  get isOn(): boolean {
    return this.words.get(this.base + Header.Listeners) !== 0
  }

  /** Count a listener in or out. */
  listen(delta: 1 | -1): void {
    this.words.add(this.base + Header.Listeners, delta)
  }

  /** Records written so far: where a new reader starts. */
  get written(): number {
    return this.words.load(this.base + Header.Written) >>> 0
  }

  /** Context: any thread, any lock held; never sleeps. */
  emit(
    event: Trace,
    thread: number,
    inode: number,
    mapping: number,
    flags: number,
    result: number,
    a = 0,
    b = 0,
    c = 0,
    d = 0,
    extra = 0,
  ): void {
    if (!this.isOn) return
    const { words } = this
    const sequence = words.add(this.base + Header.Written, 1) >>> 0
    const at = this.#at(sequence)
    words.store(at + RecordWord.Sequence, 0)
    words.store(at + RecordWord.Event, event)
    words.store(at + RecordWord.Thread, thread)
    words.store(at + RecordWord.Inode, inode)
    words.store(at + RecordWord.Mapping, mapping)
    words.store(at + RecordWord.Flags, flags)
    words.store(at + RecordWord.Result, result)
    words.store(at + RecordWord.Extra, extra | 0)
    storeNumber(words, at + RecordWord.Numbers, a)
    storeNumber(words, at + RecordWord.Numbers + 2, b)
    storeNumber(words, at + RecordWord.Numbers + 4, c)
    storeNumber(words, at + RecordWord.Numbers + 6, d)
    words.store(at + RecordWord.Sequence, (sequence + 1) | 0)
  }

  /**
   * Read records from number `from` on. Stops at one that is still being written.
   * Return: the records and how many were overwritten before they could be read.
   */
  read(from: number): { records: TraceRecord[]; next: number; lost: number } {
    const records: TraceRecord[] = []
    const end = this.written
    const first = Math.max(from, end - this.capacity)
    let lost = first - from
    let next = first
    for (; next < end; next++) {
      const record = this.#read(next)
      if (record === 'unfinished') break
      if (record === 'lost') lost++
      else records.push(record)
    }
    return { records, next, lost }
  }

  #at(sequence: number): number {
    return this.base + Header.Size + (sequence % this.capacity) * RecordWord.Size
  }

  #read(sequence: number): TraceRecord | 'unfinished' | 'lost' {
    const { words } = this
    const at = this.#at(sequence)
    const stamp = (sequence + 1) | 0
    const before = words.load(at + RecordWord.Sequence)
    if (before !== stamp) return before === 0 || before - stamp < 0 ? 'unfinished' : 'lost'
    const number = (index: number): number => loadNumber(words, at + RecordWord.Numbers + 2 * index)
    const event: unknown = words.load(at + RecordWord.Event)
    const record: TraceRecord = {
      sequence,
      event: event as Trace,
      thread: words.load(at + RecordWord.Thread),
      inode: words.load(at + RecordWord.Inode),
      mapping: words.load(at + RecordWord.Mapping),
      flags: words.load(at + RecordWord.Flags),
      result: words.load(at + RecordWord.Result),
      extra: words.load(at + RecordWord.Extra) >>> 0,
      numbers: [number(0), number(1), number(2), number(3)],
    }
    return words.load(at + RecordWord.Sequence) === stamp ? record : 'lost'
  }
}
