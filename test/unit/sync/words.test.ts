/** The words themselves, numbers in two of them, and the thread table. */
import { expect } from 'chai'
import fc from 'fast-check'
import { AtomicWords } from '../../../lib/sync/shared-words.js'
import { Threads, ThreadWord } from '../../../lib/sync/threads.js'
import { getNumber, loadNumber, setNumber, storeNumber } from '../../../lib/sync/wide.js'
import { seedFor } from '../../support/seed.js'

const THREADS = 4

describe('sync words', () => {
  const words = (halt?: () => Error): AtomicWords =>
    new AtomicWords(
      new SharedArrayBuffer(4 * (16 + Threads.wordsFor(THREADS))),
      halt === undefined ? undefined : { at: 1, value: 9, error: halt },
    )

  it('read-modify-write calls return the value before', () => {
    const shared = words()
    expect([shared.exchange(0, 5), shared.add(0, 2), shared.or(0, 8), shared.and(0, 12)]).to.deep.equal([0, 5, 7, 15])
    expect([shared.cas(0, 1, 2), shared.cas(0, 12, 3), shared.load(0)]).to.deep.equal([12, 12, 3])
  })

  it('wait returns at once for another value, false after its time, and throws when the machine has halted', () => {
    const shared = words(() => new Error('halted'))
    expect(shared.wait(0, 1)).to.equal(true)
    expect(shared.wait(0, 0, 1)).to.equal(false)
    shared.store(1, 9)
    expect(() => shared.wait(0, 0)).to.throw('halted')
  })

  it('wide numbers up to 2^53 survive both forms', () => {
    const shared = words()
    fc.assert(
      fc.property(fc.maxSafeNat(), (value) => {
        setNumber(shared, 2, value)
        storeNumber(shared, 4, value)
        return getNumber(shared, 4) === value && loadNumber(shared, 2) === value
      }),
      { seed: seedFor('wide') },
    )
  })

  describe('threads', () => {
    it('hands out records from 1 and refuses with EAGAIN when all are in use', () => {
      const threads = new Threads(words(), 16, THREADS)
      expect([1, 2, 3, 4].map((id) => threads.attach(id))).to.deep.equal([1, 2, 3, 4])
      expect(() => threads.attach(0)).to.throw('EAGAIN')
      threads.detach(2)
      expect(threads.isAttached(2)).to.equal(false)
      expect([threads.attach(0), threads.highest]).to.deep.equal([2, 4])
    })

    it('counts past 32 bits, and keeps the counts of threads that left', () => {
      const threads = new Threads(words(), 16, THREADS)
      const [a, b] = [threads.attach(0), threads.attach(0)]
      for (let i = 0; i < 3; i++) threads.count(a, 7, 0xffff_ffff)
      threads.count(b, 7, 1)
      threads.detach(a)
      expect(threads.total(7)).to.equal(3 * 0xffff_ffff + 1)
    })

    it('refuses to let a thread go that holds an entry lock', () => {
      const shared = words()
      const threads = new Threads(shared, 16, THREADS)
      const id = threads.attach(0)
      shared.set(threads.at(id) + ThreadWord.EntryLocks, 1)
      expect(() => threads.detach(id)).to.throw('entry lock')
    })
  })
})
