/**
 * Printing the trace of every mount of a process as it happens, asked for by FAULTLINE_TRACE=<descriptor>: what
 * `faultline trace` sets for the script it runs.
 *
 * A thread of its own does it, because the script may be busy for long. What that has not printed when the mount closes
 * or the process exits, the closing thread prints. Both go on from one shared position.
 *
 *   shared words   mutex, next event to print, stop (wait word)
 */
import { writeSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { type MachineHandle, openTrace } from '../fault/machine.js'
import { mutexLock, mutexUnlock } from '../sync/mutex.js'
import { AtomicWords } from '../sync/shared-words.js'
import { type TraceEvent, TraceReader } from './trace-feed.js'

const enum PrintWord {
  Mutex = 0,
  Next = 1,
  Stop = 2,
  Size = 4,
}

export interface PrintRequest {
  readonly handle: MachineHandle
  readonly position: SharedArrayBuffer
  readonly fd: number
}

const PAUSE_MILLISECONDS = 5

export interface TracePrint {
  /** Print what has happened until now. */
  flush(): void
  /** Flush, and end the printing. */
  stop(): void
}

/** Return: undefined when nobody asked for it. */
export function startTracePrint(handle: MachineHandle): TracePrint | undefined {
  const fd = Number.parseInt(process.env['FAULTLINE_TRACE'] ?? '', 10)
  if (!Number.isInteger(fd) || fd < 0) return undefined
  const { trace } = openTrace(handle)
  const position = new SharedArrayBuffer(PrintWord.Size * 4)
  const words = new AtomicWords(position)
  words.store(PrintWord.Next, trace.written | 0)
  trace.listen(1)
  const request: PrintRequest = { handle, position, fd }
  const worker = new Worker(new URL('./trace-printer.js', import.meta.url), { workerData: request, execArgv: [] })
  worker.unref()
  return {
    flush: () => printEvents(request),
    stop: () => {
      trace.listen(-1)
      printEvents(request)
      words.store(PrintWord.Stop, 1)
      words.notify(PrintWord.Stop)
    },
  }
}

/** The printing thread. Context: returns when told to stop. */
export function printUntilStopped(request: PrintRequest): void {
  const words = new AtomicWords(request.position)
  while (words.load(PrintWord.Stop) === 0) {
    printEvents(request)
    words.wait(PrintWord.Stop, 0, PAUSE_MILLISECONDS)
  }
}

function printEvents({ handle, position, fd }: PrintRequest): void {
  const words = new AtomicWords(position)
  mutexLock(words, PrintWord.Mutex)
  const reader = new TraceReader(handle, words.load(PrintWord.Next) >>> 0)
  const lines = reader.read().map(lineOf)
  words.store(PrintWord.Next, reader.next | 0)
  writeAll(fd, lines.join(''))
  mutexUnlock(words, PrintWord.Mutex)
}

function lineOf({ lost, thread, file, text }: TraceEvent): string {
  const gap = lost === 0 ? '' : `(${lost} events lost)\n`
  return `${gap}[${thread}] ${file === undefined ? '' : `${file} `}${text}\n`
}

/** A reader that is gone, or slow, does not disturb the program that is watched. */
function writeAll(fd: number, text: string): void {
  const bytes = Buffer.from(text)
  for (let done = 0; done < bytes.length;) {
    try {
      done += writeSync(fd, bytes, done)
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) return
    }
  }
}
