/**
 * Rules about several threads, with real threads: each test makes one interleaving by stopping a thread inside its
 * section (see actor.ts). All entries share one wait bucket, so a wake that looks at the wrong key shows.
 */
import { expect } from 'chai'
import { grabEntry, unlockEntry } from '../../../lib/dax/grab-entry.js'
import { deleteEntries, removeLockedEntry } from '../../../lib/dax/invalidate.js'
import { noteUnfenced } from '../../../lib/dax/unfenced-writes.js'
import { writebackRange } from '../../../lib/dax/writeback.js'
import { writeLock, writeUnlock } from '../../../lib/sync/rw-semaphore.js'
import { InodeWord } from '../../../lib/mm/inode.js'
import {
  FILE_PAGES,
  type SmallKernel,
  CAPACITY_PAGES,
  entryAt,
  giveBlock,
  mapFile,
  smallKernel,
} from '../../support/small-kernel.js'
import { type Actor, settle, until } from './actor.js'
import { useActors } from './actors.js'

const FILE = 1
const OTHER_FILE = 2
const PAGE = 4096

describe('dax races', () => {
  let kernel: SmallKernel
  let vma: number

  beforeEach(() => {
    kernel = smallKernel()
    vma = mapFile(kernel, FILE)
  })

  const start = useActors(() => kernel)

  const waiting = (page: number): number => kernel.waits.waiting(FILE, page)

  it('S0.1: faults on one index exclude each other, faults on other indices and files do not', async () => {
    const elsewhere = mapFile(kernel, OTHER_FILE)
    const [a, b, c] = (await start(3)) as [Actor, Actor, Actor]
    const held = await a.runToPause({ kind: 'load', vma, offset: 3 * PAGE, pauseAt: 'map' })
    const second = b.run({ kind: 'load', vma, offset: 3 * PAGE })
    await until(() => waiting(3) === 1, 'the second fault sleeps')
    await c.run({ kind: 'store', vma, offset: 4 * PAGE, byte: 1 })
    await c.run({ kind: 'store', vma: elsewhere, offset: 3 * PAGE, byte: 1 })
    expect(b.finished).to.equal(0)
    a.release()
    await Promise.all([held.done, second])
    expect(entryAt(kernel, FILE, 3)).to.equal('Z4')
  })

  it('S0.2, B7, B15: a store that allocates waits for a load that saw the hole; no zero page stays', async () => {
    const other = mapFile(kernel, FILE)
    const [reader, writer] = (await start(2)) as [Actor, Actor]
    const load = await reader.runToPause({ kind: 'load', vma: other, offset: 3 * PAGE, pauseAt: 'map' })
    const store = writer.run({ kind: 'store', vma, offset: 3 * PAGE, byte: 7 })
    await until(() => waiting(3) === 1, 'the store sleeps')
    expect(kernel.pfns.freePages, 'S0.3: the file system is asked under the lock').to.equal(CAPACITY_PAGES)
    reader.release()
    expect(await load.done).to.be.oneOf([0, 7])
    expect(await store).to.equal(7)
    expect(kernel.pageTable.load(kernel, other, 3 * PAGE)).to.equal(7)
  })

  it('S0.4, T10: all of many sleepers are served, one wake-up after the other', async () => {
    const [holder, ...waiters] = (await start(6)) as [Actor, ...Actor[]]
    const held = await holder.runToPause({ kind: 'store', vma, offset: 3 * PAGE, byte: 1, pauseAt: 'map' })
    const results = waiters.map((actor, i) => actor.run({ kind: 'store', vma, offset: 3 * PAGE + 1 + i, byte: 2 + i }))
    await until(() => waiting(3) === waiters.length, 'all sleep')
    holder.release()
    await Promise.all([held.done, ...results])
    expect([...kernel.media.cacheBytes(FILE, 3 * PAGE, 6)]).to.deep.equal([1, 2, 3, 4, 5, 6])
    expect(waiting(3)).to.equal(0)
  })

  it('T10: an unlock wakes one exclusive waiter, the one that came first', async () => {
    const [first, second] = (await start(2)) as [Actor, Actor]
    const entry = grabEntry(kernel, FILE, 3, true)
    const load = first.runToPause({ kind: 'load', vma, offset: 3 * PAGE, pauseAt: 'map' })
    await until(() => waiting(3) === 1, 'the first sleeps')
    const later = second.run({ kind: 'load', vma, offset: 3 * PAGE })
    await until(() => waiting(3) === 2, 'the second sleeps')
    unlockEntry(kernel, FILE, 3, entry)
    const { done } = await load
    expect(waiting(3), 'the second sleeps on').to.equal(1)
    first.release()
    await Promise.all([done, later])
  })

  it('S0.5, T12, B13, B24: who removes an entry wakes everyone who waited for it', async () => {
    const [a, b, c] = (await start(3)) as [Actor, Actor, Actor]
    const entry = grabEntry(kernel, FILE, 3, true)
    const results = [a, b].map((actor) => actor.run({ kind: 'load', vma, offset: 3 * PAGE }))
    results.push(c.run({ kind: 'delete', inode: FILE, first: 3, last: 3 }))
    await until(() => waiting(3) === 3, 'all sleep')
    removeLockedEntry(kernel, FILE, 3, entry)
    await Promise.all(results)
    expect(waiting(3)).to.equal(0)
  })

  it('B24: three deleters of one locked entry all come back, though two find nothing', async () => {
    const deleters = await start(3)
    const entry = grabEntry(kernel, FILE, 3, true)
    const results = deleters.map((actor) => actor.run({ kind: 'delete', inode: FILE, first: 0, last: 9 }))
    await until(() => waiting(3) === 3, 'all sleep')
    unlockEntry(kernel, FILE, 3, entry)
    const removed = await Promise.all(results)
    expect(removed.sort()).to.deep.equal([0, 0, 1])
  })

  it('S0.6, B8: a truncate waits until a private copy is in the page table', async () => {
    const copy = mapFile(kernel, FILE, false)
    giveBlock(kernel, FILE, 3, 9)
    const [writer, truncate] = (await start(2)) as [Actor, Actor]
    const store = await writer.runToPause({ kind: 'store', vma: copy, offset: 3 * PAGE, byte: 1, pauseAt: 'copy' })
    const deleted = truncate.run({ kind: 'delete', inode: FILE, first: 0, last: FILE_PAGES - 1 })
    await until(() => waiting(3) === 1, 'the truncate sleeps')
    expect(truncate.finished).to.equal(0)
    writer.release()
    await store.done
    expect(await deleted).to.equal(1)
    expect(entryAt(kernel, FILE, 3)).to.equal('N')
  })

  it('T12, B33, B34: a delete that waited for one entry goes on with that entry, not with the next', async () => {
    for (const page of [3, 4, 5]) kernel.pageTable.store(kernel, vma, page * PAGE, 1)
    const [truncate] = (await start(1)) as [Actor]
    const entry = grabEntry(kernel, FILE, 4, true)
    const deleted = truncate.run({ kind: 'delete', inode: FILE, first: 0, last: FILE_PAGES - 1 })
    await until(() => waiting(4) === 1, 'the truncate sleeps on page 4')
    unlockEntry(kernel, FILE, 4, entry)
    expect(await deleted).to.equal(3)
    expect(entryAt(kernel, FILE, 4)).to.equal('N')
  })

  it('S0.8, K70: a store during a sync waits for it and dirties the page again', async () => {
    kernel.pageTable.store(kernel, vma, 3 * PAGE, 1)
    const [sync, writer] = (await start(2)) as [Actor, Actor]
    const synced = await sync.runToPause({ kind: 'sync', inode: FILE, first: 0, last: 9, pauseAt: 'writeback' })
    const store = writer.run({ kind: 'store', vma, offset: 3 * PAGE, byte: 2 })
    await until(() => waiting(3) === 1, 'the store sleeps')
    expect(kernel.media.cacheBytes(FILE, 3 * PAGE, 1)[0], 'not stored while it is being flushed').to.equal(1)
    sync.release()
    expect(await synced.done).to.equal(0)
    await store
    expect(kernel.media.mediaBytes(FILE, 3 * PAGE, 1)[0]).to.equal(1)
    expect(entryAt(kernel, FILE, 3)).to.match(/ dirty$/)
    writebackRange(kernel, FILE, 0, 9)
    expect(kernel.media.mediaBytes(FILE, 3 * PAGE, 1)[0]).to.equal(2)
  })

  it('S1.6, K70: a second sync of a page that is being flushed does not return before it is on media', async () => {
    kernel.pageTable.store(kernel, vma, 3 * PAGE, 1)
    const [first, second] = (await start(2)) as [Actor, Actor]
    const firstSync = await first.runToPause({ kind: 'sync', inode: FILE, first: 0, last: 9, pauseAt: 'writeback' })
    expect(entryAt(kernel, FILE, 3), 'TOWRITE is gone, DIRTY is not').to.match(/^D4\+L pfn \d+ dirty$/)
    const secondSync = second.run({ kind: 'sync', inode: FILE, first: 0, last: 9 })
    await until(() => waiting(3) === 1, 'the second sync sleeps')
    first.release()
    expect(await firstSync.done).to.equal(0)
    expect(await secondSync).to.equal(0)
    expect(kernel.media.mediaBytes(FILE, 3 * PAGE, 1)[0]).to.equal(1)
    expect(entryAt(kernel, FILE, 3)).to.match(/^D4 pfn \d+$/)
  })

  it('S1.6: a sync that waited for an entry which then left the file skips it', async () => {
    kernel.pageTable.store(kernel, vma, 3 * PAGE, 1)
    kernel.pageTable.store(kernel, vma, 5 * PAGE, 1)
    const [sync] = (await start(1)) as [Actor]
    const entry = grabEntry(kernel, FILE, 3, true)
    const synced = sync.run({ kind: 'sync', inode: FILE, first: 0, last: 9 })
    await until(() => waiting(3) === 1, 'the sync sleeps')
    removeLockedEntry(kernel, FILE, 3, entry)
    expect(await synced).to.equal(0)
    expect(kernel.media.mediaBytes(FILE, 3 * PAGE, 1)[0], 'not written').to.equal(0)
    expect(kernel.media.mediaBytes(FILE, 5 * PAGE, 1)[0], 'the next one is').to.equal(1)
  })

  it('S0.9: while a range is held exclusively no fault on it begins; others go on', async () => {
    const [a, b] = (await start(2)) as [Actor, Actor]
    kernel.locking.beginTruncate(kernel, FILE, 4, FILE_PAGES - 1)
    const inside = a.run({ kind: 'store', vma, offset: 5 * PAGE, byte: 1 })
    await b.run({ kind: 'store', vma, offset: 3 * PAGE, byte: 1 })
    await settle()
    expect(a.finished).to.equal(0)
    expect(entryAt(kernel, FILE, 5), 'nothing appears behind a scan').to.equal('N')
    kernel.locking.endTruncate(kernel, FILE)
    await inside
  })

  it('S0.9: an exclusive range waits for faults that are being served in it', async () => {
    const [writer] = (await start(1)) as [Actor]
    const store = await writer.runToPause({ kind: 'store', vma, offset: 5 * PAGE, byte: 1, pauseAt: 'map' })
    setTimeout(() => writer.release(), 0)
    // Outside the range: held at once, while the fault is still going on.
    kernel.locking.beginTruncate(kernel, FILE, 6, FILE_PAGES - 1)
    expect(writer.finished).to.equal(0)
    kernel.locking.endTruncate(kernel, FILE)
    await store.done
    expect(deleteEntries(kernel, FILE, 5, 5)).to.equal(1)
  })

  it('S0.10, B1: of two first stores to one hole page neither wipes the other', async () => {
    const other = mapFile(kernel, FILE)
    const [a, b] = (await start(2)) as [Actor, Actor]
    const first = await a.runToPause({ kind: 'store', vma, offset: 3 * PAGE, byte: 1, pauseAt: 'map' })
    const second = b.run({ kind: 'store', vma: other, offset: 3 * PAGE + 8, byte: 2 })
    await until(() => waiting(3) === 1, 'the second store sleeps')
    a.release()
    await Promise.all([first.done, second])
    expect(kernel.media.cacheBytes(FILE, 3 * PAGE, 9)[0]).to.equal(1)
    expect(kernel.media.cacheBytes(FILE, 3 * PAGE, 9)[8]).to.equal(2)
    expect(kernel.pfns.freePages).to.equal(CAPACITY_PAGES - 1)
  })

  it('K74: a write that comes while the fence of another is running is not forgotten', async () => {
    const rwsem = kernel.inodes.at(FILE) + InodeWord.Rwsem
    const write = (byte: number): void => {
      kernel.media.fillPage(FILE, 3, true)
      kernel.media.cacheBytes(FILE, 3 * PAGE, 64).fill(byte)
      noteUnfenced(kernel, FILE, 3 * PAGE, 64)
    }
    giveBlock(kernel, FILE, 3, 0)
    write(1)
    const [sync, second] = (await start(2)) as [Actor, Actor]
    const drained = await sync.runToPause({ kind: 'drain', inode: FILE, pauseAt: 'writeback' })
    // write(2) holds i_rwsem exclusively; while a fence is running it must not be let in.
    expect(kernel.words.load(rwsem), 'the fence keeps writers out').to.equal(1)
    sync.release()
    expect(await drained.done).to.equal(0)
    writeLock(kernel.words, rwsem)
    write(2)
    writeUnlock(kernel.words, rwsem)
    expect(await second.run({ kind: 'drain', inode: FILE })).to.equal(0)
    expect(kernel.media.mediaBytes(FILE, 3 * PAGE, 1)[0]).to.equal(2)
  })

  it('S0.13, B50: a node whose only entry is locked stays while its neighbours go', async () => {
    const [truncate] = (await start(1)) as [Actor]
    for (const page of [4, 5, 6, 7]) kernel.pageTable.store(kernel, vma, page * PAGE, 1)
    const entry = grabEntry(kernel, FILE, 6, true)
    await truncate.run({ kind: 'delete', inode: FILE, first: 0, last: 5 })
    await truncate.run({ kind: 'delete', inode: FILE, first: 7, last: FILE_PAGES - 1 })
    expect(entryAt(kernel, FILE, 6)).to.match(/^D4\+L pfn \d+ dirty$/)
    unlockEntry(kernel, FILE, 6, entry)
  })
})
