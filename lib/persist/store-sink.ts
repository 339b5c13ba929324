/**
 * What a power failure depends on, as it happened: stores, flushes and fences of all threads in one order, with the
 * program's own words between them. A traced mount says it, a log is made of it, a store log of another tool is read
 * into it.
 */

/** A location in the program: an index into the list of locations the log keeps; 0: unknown. */
export type LocationId = number

export interface StoreSink {
  /** bytes: what was stored, 1 to 64 of them inside one line of 64 bytes; valid only during the call. */
  store(
    thread: number,
    file: number,
    offset: number,
    bytes: Uint8Array,
    nonTemporal: boolean,
    location: LocationId,
  ): void
  /** clwb of every line that [offset, offset + length) touches, before the thread's next fence. */
  flush(thread: number, file: number, offset: number, length: number, location: LocationId): void
  /** sfence: what the thread flushed, and its non-temporal stores, are durable. */
  fence(thread: number, location: LocationId): void
  /** The program names what it does from here on. */
  mark(thread: number, label: string): void
  /** The program has told its user that this is done: it must survive from here on. */
  acknowledged(thread: number, id: string): void
}
