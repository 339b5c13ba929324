/** Trace events for programs: what pmem.on('trace') delivers. */
import { requireFunction } from '../args.js'
import { Failures } from './failures.js'
import { type MachineHandle, openTrace } from '../fault/machine.js'
import type { InodeTable } from '../mm/inode.js'
import { PLAIN_NAMING, formatRecord } from '../trace/format.js'
import { TRACE_NAMES, type TraceName } from '../trace/tracepoints.js'
import type { TraceRing } from '../trace/trace-ring.js'

/** One thing the kernel did. */
export interface TraceEvent {
  /** Number of the event in the mount's life; what is missing was lost. */
  readonly sequence: number
  /** Events written since the one before this and overwritten before they were read. */
  readonly lost: number
  readonly name: TraceName
  /** The thread that did it: a number of the mount, fault workers included. */
  readonly thread: number
  /** The file it is about, by its present name; undefined when there is none or it is closed. */
  readonly file: string | undefined
  /** As the kernel's tracepoint of that name prints it. */
  readonly text: string
}

export type TraceListener = (event: TraceEvent) => void

/** Reads events in order, each once. Context: one thread at a time. */
export class TraceReader {
  readonly #trace: TraceRing
  readonly #inodes: InodeTable
  /** Number of the next event to read. */
  next: number

  constructor(handle: MachineHandle, next?: number) {
    const { trace, inodes } = openTrace(handle)
    this.#trace = trace
    this.#inodes = inodes
    this.next = next ?? trace.written
  }

  read(): TraceEvent[] {
    const { records, next } = this.#trace.read(this.next)
    let expected = this.next
    this.next = next
    return records.map((record) => {
      const { sequence, event, thread, inode } = record
      const lost = sequence - expected
      expected = sequence + 1
      const file = inode !== 0 && this.#inodes.isLive(inode) ? this.#inodes.nameOf(inode) : undefined
      const name = TRACE_NAMES[event]
      return { sequence, lost, name, thread, file, text: formatRecord(record, PLAIN_NAMING) }
    })
  }
}

const POLL_MILLISECONDS = 20

/** The listeners of one thread. Events are looked for now and then, on the event loop, and whenever drain is called. */
export class TraceFeed {
  readonly #handle: MachineHandle
  readonly #listeners = new Set<TraceListener>()
  #reader: TraceReader | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(handle: MachineHandle) {
    this.#handle = handle
  }

  /** Errors: TypeError. */
  add(listener: TraceListener): void {
    requireFunction('listener', listener)
    this.#listeners.add(listener)
    if (this.#timer !== undefined) return
    openTrace(this.#handle).trace.listen(1)
    this.#reader = new TraceReader(this.#handle)
    this.#timer = setInterval(() => this.drain(), POLL_MILLISECONDS)
    // Watching keeps nobody alive.
    this.#timer.unref()
  }

  /** What happened until now is delivered first. */
  remove(listener: TraceListener): void {
    if (!this.#listeners.has(listener)) return
    try {
      this.drain()
    } finally {
      this.#listeners.delete(listener)
      if (this.#listeners.size === 0) this.#stop()
    }
  }

  /** Deliver what has happened until now. Errors: the first that a listener throws, when all were told everything. */
  drain(): void {
    const failures = new Failures()
    for (const event of this.#reader?.read() ?? []) {
      for (const listener of this.#listeners) failures.of(() => listener(event))
    }
    failures.throwFirst()
  }

  close(): void {
    try {
      this.drain()
    } finally {
      this.#listeners.clear()
      this.#stop()
    }
  }

  #stop(): void {
    if (this.#timer === undefined) return
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#reader = undefined
    openTrace(this.#handle).trace.listen(-1)
  }
}
