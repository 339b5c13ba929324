/** Mutex, reader-writer semaphore, range lock and wait table, with real threads where something blocks. */
import { expect } from 'chai'
import { BugError } from '../../../lib/assert.js'
import { mutexLock, mutexTryLock, mutexUnlock } from '../../../lib/sync/mutex.js'
import { RangeLock, RangeLockWord } from '../../../lib/sync/range-lock.js'
import { readLock, readUnlock, writeLock, writeUnlock } from '../../../lib/sync/rw-semaphore.js'
import { ThreadWord } from '../../../lib/sync/threads.js'
import { Wake, WaitTable } from '../../../lib/sync/wait-table.js'
import { settle, until } from '../dax/actor.js'
import { Area, INODE, LockBench, MAPPING } from './lock-bench.js'

describe('sync locks', () => {
  let bench: LockBench

  beforeEach(() => {
    bench = new LockBench()
  })
  afterEach(async () => {
    await bench.stop()
  })

  describe('mutex', () => {
    it('excludes: plain additions of three threads and this one are all there', async () => {
      const rounds = 20_000
      const others = await Promise.all([1, 2, 3].map(() => bench.start({ kind: 'count', rounds })))
      for (let i = 0; i < rounds; i++) {
        mutexLock(bench.words, Area.Lock)
        bench.words.set(Area.Counter, bench.words.get(Area.Counter) + 1)
        mutexUnlock(bench.words, Area.Lock)
      }
      await Promise.all(others.map(({ ended }) => ended))
      expect(bench.words.get(Area.Counter)).to.equal(4 * rounds)
      expect(bench.words.get(Area.Lock)).to.equal(0)
    })

    it('wakes who sleeps on it', async () => {
      mutexLock(bench.words, Area.Lock)
      const other = await bench.start({ kind: 'count', rounds: 1 })
      await until(() => bench.words.load(Area.Lock) === 2, 'the other thread sleeps')
      mutexUnlock(bench.words, Area.Lock)
      await other.ended
      expect(bench.words.get(Area.Counter)).to.equal(1)
    })

    it('tryLock takes a free one only; unlocking a free one is a bug', () => {
      expect([mutexTryLock(bench.words, Area.Lock), mutexTryLock(bench.words, Area.Lock)]).to.deep.equal([true, false])
      mutexUnlock(bench.words, Area.Lock)
      expect(() => mutexUnlock(bench.words, Area.Lock)).to.throw(BugError)
    })
  })

  describe('rw-semaphore', () => {
    it('lets readers in together and a writer alone', async () => {
      readLock(bench.words, Area.Lock)
      const reader = await bench.start({ kind: 'read' })
      await until(() => bench.held === 1, 'the second reader is in')
      const writer = await bench.start({ kind: 'write' })
      readUnlock(bench.words, Area.Lock)
      await settle()
      expect(bench.held, 'the writer waits for the last reader').to.equal(1)
      bench.release()
      await Promise.all([reader.ended, writer.ended])
      expect(bench.words.load(Area.Lock)).to.equal(0)
    })

    it('keeps new readers out while a writer waits', async () => {
      readLock(bench.words, Area.Lock)
      const writer = await bench.start({ kind: 'write' })
      await until(() => bench.words.load(Area.Lock + 1) === 1, 'the writer waits')
      const reader = await bench.start({ kind: 'read' })
      await settle()
      expect(bench.held).to.equal(0)
      readUnlock(bench.words, Area.Lock)
      await until(() => bench.held === 1, 'the writer is in')
      expect(bench.words.load(Area.Lock)).to.equal(-1)
      bench.release()
      await Promise.all([writer.ended, reader.ended])
    })

    it('a writer that leaves lets the next writer in', async () => {
      writeLock(bench.words, Area.Lock)
      const writer = await bench.start({ kind: 'write' })
      await until(() => bench.words.load(Area.Lock + 1) === 1, 'the second writer waits')
      bench.release()
      writeUnlock(bench.words, Area.Lock)
      await writer.ended
      expect([bench.words.load(Area.Lock), bench.words.load(Area.Lock + 1)]).to.deep.equal([0, 0])
      expect(() => readUnlock(bench.words, Area.Lock)).to.throw(BugError)
    })
  })

  describe('range-lock', () => {
    let ranges: RangeLock
    let self: number

    beforeEach(() => {
      ranges = new RangeLock(bench.words, bench.threads)
      self = bench.threads.attach(0)
    })

    it('shared ranges never exclude each other', () => {
      const other = bench.threads.attach(0)
      expect(ranges.tryShared(self, INODE, Area.Lock, 0, 9)).to.equal(true)
      expect(ranges.tryShared(other, INODE, Area.Lock, 5, 5)).to.equal(true)
    })

    it('an exclusive range keeps out what overlaps it, in its file, up to the last page', () => {
      const other = bench.threads.attach(0)
      ranges.lockExclusive(other, INODE, Area.Lock, 5, 2 ** 32 - 1)
      const taken = (first: number, last: number, inode = INODE): boolean => {
        const isTaken = ranges.tryShared(self, inode, Area.Lock, first, last)
        if (isTaken) ranges.unlockShared(self, inode, Area.Lock)
        return isTaken
      }
      expect([taken(0, 4), taken(0, 5), taken(2 ** 31, 2 ** 31), taken(5, 5, INODE + 1)]).to.deep.equal([
        true,
        false,
        false,
        true,
      ])
      ranges.unlockExclusive(other, INODE, Area.Lock)
      expect(taken(0, 2 ** 32 - 1)).to.equal(true)
    })

    it('B39: exclusive waits for shared, and shared for exclusive', async () => {
      ranges.lockShared(self, INODE, Area.Lock, 3, 3)
      const truncate = await bench.start({ kind: 'exclusive', first: 0, last: 9 })
      await until(() => bench.words.load(Area.Lock + RangeLockWord.Exclusive) === 1, 'the truncate waits')
      await settle()
      expect(bench.held).to.equal(0)
      ranges.unlockShared(self, INODE, Area.Lock)
      await until(() => bench.held === 1, 'the truncate has it')
      const fault = await bench.start({ kind: 'shared', first: 9, last: 9 })
      await settle()
      expect(bench.held).to.equal(1)
      bench.release()
      await Promise.all([truncate.ended, fault.ended])
    })

    it('two that wait for an exclusive range sleep, and do not keep waking each other', async () => {
      ranges.lockExclusive(self, INODE, Area.Lock, 0, 9)
      const faults = await Promise.all([3, 4].map((page) => bench.start({ kind: 'shared', first: page, last: page })))
      await settle()
      const before = bench.words.load(Area.Lock + RangeLockWord.Sequence)
      await settle()
      expect(bench.words.load(Area.Lock + RangeLockWord.Sequence)).to.equal(before)
      bench.release()
      ranges.unlockExclusive(self, INODE, Area.Lock)
      await Promise.all(faults.map(({ ended }) => ended))
    })

    it('exclusive ranges that overlap are served in the order they came, disjoint ones at once (S3.5)', () => {
      const [b, c, d] = [bench.threads.attach(0), bench.threads.attach(0), bench.threads.attach(0)]
      const blockers = (thread: number): number =>
        bench.words.load(bench.threads.at(thread) + ThreadWord.ExclusiveBlockers)
      ranges.lockExclusive(self, INODE, Area.Lock, 0, 9)
      expect(ranges.tryExclusive(b, INODE, Area.Lock, 9, 12)).to.equal(false)
      expect(ranges.tryExclusive(b, INODE, Area.Lock, 10, 19)).to.equal(true)
      expect(ranges.tryExclusive(c, INODE + 1, Area.Lock, 0, 19), 'another file').to.equal(true)
      ranges.unlockExclusive(c, INODE + 1, Area.Lock)
      // d asks for both and sleeps; that it asked keeps out who comes later, though nobody holds page 20.
      const sleep = bench.words.wait.bind(bench.words)
      const seen: number[] = []
      bench.words.wait = (at, expected) => {
        seen.push(blockers(d))
        expect(ranges.tryExclusive(c, INODE, Area.Lock, 20, 20), 'no overtaking').to.equal(false)
        const [thread] = expected === 2 ? [self] : [b]
        ranges.unlockExclusive(thread, INODE, Area.Lock)
        return sleep(at, expected, 0)
      }
      ranges.lockExclusive(d, INODE, Area.Lock, 0, 2 ** 32 - 1)
      expect(seen, 'both before it, one, none').to.deep.equal([2, 1])
      ranges.unlockExclusive(d, INODE, Area.Lock)
      expect(bench.words.load(Area.Lock + RangeLockWord.Exclusive)).to.equal(0)
    })

    it('an exclusive range that meets a shared one is not tried for any longer, and leaves nothing', () => {
      const other = bench.threads.attach(0)
      ranges.lockShared(other, INODE, Area.Lock, 3, 3)
      expect(ranges.tryExclusive(self, INODE, Area.Lock, 0, 9)).to.equal(false)
      ranges.unlockShared(other, INODE, Area.Lock)
      expect(ranges.tryExclusive(self, INODE, Area.Lock, 0, 9)).to.equal(true)
      ranges.unlockExclusive(self, INODE, Area.Lock)
      expect(bench.words.load(Area.Lock + RangeLockWord.Exclusive)).to.equal(0)
    })

    it('many threads that lock overlapping ranges exclusively lose no increment and all end', async () => {
      const ends = [0, 1, 2, 3].map((i) => bench.start({ kind: 'ranges', rounds: 2000, first: i, last: i + 1 }))
      for (const { ended } of await Promise.all(ends)) await ended
      // Each round adds 1 to two counters, plainly: neighbours share one.
      expect([0, 1, 2, 3, 4].map((i) => bench.words.get(Area.Counters + i))).to.deep.equal([
        2000, 4000, 4000, 4000, 2000,
      ])
    })

    it('S3.6: unlocking a range that is not held is a bug that throws, shared and exclusive, of any file', () => {
      const other = bench.threads.attach(0)
      const unlocks = (thread: number, inode: number): (() => void)[] => [
        () => ranges.unlockShared(thread, inode, Area.Lock),
        () => ranges.unlockExclusive(thread, inode, Area.Lock),
      ]
      for (const unlock of unlocks(self, INODE)) expect(unlock, 'nothing held').to.throw(BugError, 'not held')
      ranges.lockShared(self, INODE, Area.Lock, 3, 3)
      ranges.lockExclusive(self, INODE, Area.Lock, 7, 7)
      for (const unlock of unlocks(other, INODE)) expect(unlock, "another thread's").to.throw(BugError, '"first": 0')
      for (const unlock of unlocks(self, INODE + 1)) expect(unlock, "another file's").to.throw(BugError, '"first": 3')
      for (const unlock of unlocks(self, INODE)) unlock()
      for (const unlock of unlocks(self, INODE)) expect(unlock, 'twice').to.throw(BugError, 'not held')
      expect(ranges.tryExclusive(other, INODE, Area.Lock, 0, 9), 'nothing of it stays').to.equal(true)
    })

    it('refuses a second range of one kind in a thread, and to wait with an entry lock held (D4)', () => {
      ranges.lockShared(self, INODE, Area.Lock, 3, 3)
      expect(() => ranges.tryShared(self, INODE, Area.Lock, 4, 4)).to.throw(BugError)
      ranges.unlockShared(self, INODE, Area.Lock)
      const other = bench.threads.attach(0)
      ranges.lockExclusive(other, INODE, Area.Lock, 0, 9)
      bench.words.set(bench.threads.at(self) + ThreadWord.EntryLocks, 1)
      expect(() => ranges.lockShared(self, INODE, Area.Lock, 3, 3)).to.throw('holding an entry lock')
      expect(() => ranges.lockExclusive(self, INODE, Area.Lock, 3, 3)).to.throw('holding an entry lock')
      expect(() => ranges.tryExclusive(other, INODE, Area.Lock, 20, 29)).to.throw('a second exclusive range')
    })
  })

  describe('wait-table with one bucket', () => {
    let table: WaitTable

    beforeEach(() => {
      table = new WaitTable(bench.words, Area.Waits, 1, bench.threads)
    })

    async function sleepers(
      ...waits: readonly (readonly [index: number, exclusive: boolean])[]
    ): Promise<Promise<unknown>[]> {
      const ends: Promise<unknown>[] = []
      for (const [index, exclusive] of waits) {
        const { ended } = await bench.start({ kind: 'wait', index, exclusive })
        ends.push(ended)
        await until(() => bench.words.load(Area.Queued) === ends.length, 'it is queued')
      }
      return ends
    }

    it('K16: Next wakes one exclusive waiter and passes over other keys (S0.12)', async () => {
      const ends = await sleepers([8, true], [3, true], [3, true])
      expect(table.wake(MAPPING, 3, Wake.Next)).to.equal(1)
      await until(() => bench.held === 1, 'one is awake')
      expect([table.waiting(MAPPING, 3), table.waiting(MAPPING, 8)]).to.deep.equal([1, 1])
      expect(table.wake(MAPPING + 1, 3, Wake.All), 'another file').to.equal(0)
      expect(table.wake(MAPPING, 3, Wake.Next) + table.wake(MAPPING, 8, Wake.Next)).to.equal(2)
      bench.release()
      await Promise.all(ends)
    })

    it('K16: All wakes everyone with the key', async () => {
      const ends = await sleepers([3, true], [8, true], [3, true], [3, false])
      expect(table.wake(MAPPING, 3, Wake.All)).to.equal(3)
      expect(table.waiting(MAPPING, 8)).to.equal(1)
      table.wake(MAPPING, 8, Wake.All)
      bench.release()
      await Promise.all(ends)
    })

    it('K14, K16: Next wakes every non-exclusive waiter, wherever it queued; they use up no wake-up', async () => {
      const ends = await sleepers([3, false], [3, true], [3, true], [3, false], [3, false])
      expect(table.wake(MAPPING, 3, Wake.Next)).to.equal(4)
      expect(table.wake(MAPPING, 3, Wake.Next)).to.equal(1)
      expect(table.wake(MAPPING, 3, Wake.Next)).to.equal(0)
      bench.release()
      await Promise.all(ends)
    })

    it('K17: a wake between queueing and sleeping is not lost', () => {
      const self = bench.threads.attach(0)
      table.prepare(self, MAPPING, 3, true)
      table.wake(MAPPING, 3, Wake.Next)
      table.sleep(self)
      expect(table.waiting(MAPPING, 3)).to.equal(0)
    })

    it('D4: refuses to sleep with an entry lock held', () => {
      const self = bench.threads.attach(0)
      table.prepare(self, MAPPING, 3, true)
      bench.words.set(bench.threads.at(self) + ThreadWord.EntryLocks, 1)
      expect(() => table.sleep(self)).to.throw(BugError)
    })
  })
})
