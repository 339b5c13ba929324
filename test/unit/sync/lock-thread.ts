/** Another thread for tests of locks: takes what it is told to take, says so in a word, and waits to give it back. */
import { parentPort, workerData } from 'node:worker_threads'
import { mutexLock, mutexUnlock } from '../../../lib/sync/mutex.js'
import { RangeLock } from '../../../lib/sync/range-lock.js'
import { readLock, readUnlock, writeLock, writeUnlock } from '../../../lib/sync/rw-semaphore.js'
import { AtomicWords } from '../../../lib/sync/shared-words.js'
import { Threads } from '../../../lib/sync/threads.js'
import { WaitTable } from '../../../lib/sync/wait-table.js'
import { Area, INODE, type LockJob, MAPPING } from './lock-bench.js'

const { buffer, job } = workerData as { buffer: SharedArrayBuffer; job: LockJob }
const words = new AtomicWords(buffer)
const threads = new Threads(words, Area.Threads, Area.ThreadCount)

parentPort?.on('message', () => {
  take()
  parentPort?.close()
})
parentPort?.postMessage('ready')

function take(): void {
  switch (job.kind) {
    case 'count':
      for (let i = 0; i < job.rounds; i++) {
        mutexLock(words, Area.Lock)
        words.set(Area.Counter, words.get(Area.Counter) + 1)
        mutexUnlock(words, Area.Lock)
      }
      return
    case 'read':
      readLock(words, Area.Lock)
      hold()
      {
        readUnlock(words, Area.Lock)
        return
      }
    case 'write':
      writeLock(words, Area.Lock)
      hold()
      {
        writeUnlock(words, Area.Lock)
        return
      }
    case 'wait': {
      const self = threads.attach(0)
      const table = new WaitTable(words, Area.Waits, 1, threads)
      table.prepare(self, MAPPING, job.index, job.exclusive)
      words.add(Area.Queued, 1)
      table.sleep(self)
      hold()
      return
    }
    default: {
      takeRange(job)
      return
    }
  }
}

function takeRange(range: Extract<LockJob, { first: number }>): void {
  const ranges = new RangeLock(words, threads)
  const self = threads.attach(0)
  if (range.kind === 'ranges') {
    for (let i = 0; i < range.rounds; i++) {
      ranges.lockExclusive(self, INODE, Area.Lock, range.first, range.last)
      for (const at of [Area.Counters + range.first, Area.Counters + range.last]) words.set(at, words.get(at) + 1)
      ranges.unlockExclusive(self, INODE, Area.Lock)
    }
    return
  }
  if (range.kind === 'shared') {
    ranges.lockShared(self, INODE, Area.Lock, range.first, range.last)
    hold()
    ranges.unlockShared(self, INODE, Area.Lock)
  } else {
    ranges.lockExclusive(self, INODE, Area.Lock, range.first, range.last)
    hold()
    ranges.unlockExclusive(self, INODE, Area.Lock)
  }
}

function hold(): void {
  words.add(Area.Held, 1)
  while (words.load(Area.Release) === 0) words.wait(Area.Release, 0)
  words.add(Area.Held, -1)
}
