import { expect } from 'chai'
import { BugError } from '../../../lib/assert.js'
import { ExtentPool } from '../../../lib/tree/extent-pool.js'
import { AtomicWords } from '../../../lib/sync/shared-words.js'

const BASE = 5

function poolOf(capacity: number): { pool: ExtentPool; words: AtomicWords } {
  const words = new AtomicWords(new SharedArrayBuffer(4 * (BASE + ExtentPool.wordsFor(capacity))))
  const pool = new ExtentPool(words, BASE, capacity)
  pool.initialise()
  return { pool, words }
}

describe('media/extent-pool', () => {
  it('hands out each id once, then 0, and again what was freed', () => {
    const { pool } = poolOf(3)
    expect([1, 2, 3, 4].map(() => pool.allocate())).to.deep.equal([1, 2, 3, 0])
    expect(pool.inUse).to.equal(3)
    pool.free(2)
    pool.free(1)
    expect(pool.inUse).to.equal(1)
    expect([1, 2, 3].map(() => pool.allocate()).sort()).to.deep.equal([0, 1, 2])
    expect(pool.inUse).to.equal(3)
  })

  it('touches no record it did not hand out', () => {
    const { pool, words } = poolOf(4)
    const id = pool.allocate()
    const end = BASE + ExtentPool.wordsFor(1)
    pool.setStart(id, 2 ** 53 - 1)
    pool.setLength(id, 2 ** 40 + 5)
    pool.setValue(id, -7)
    pool.setState(id, 3)
    for (let at = end; at < words.length; at++) expect(words.get(at)).to.equal(0)
    for (let at = 0; at < BASE; at++) expect(words.get(at)).to.equal(0)
  })

  it('keeps fields of up to 2^53', () => {
    const { pool } = poolOf(1)
    const id = pool.allocate()
    for (const number of [0, 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 52 + 12345, Number.MAX_SAFE_INTEGER]) {
      pool.setStart(id, number)
      pool.setLength(id, number)
      expect(pool.startOf(id)).to.equal(number)
      expect(pool.lengthOf(id)).to.equal(number)
    }
  })

  it('refuses ids and sizes that cannot be', () => {
    const { pool, words } = poolOf(2)
    expect(() => pool.free(0)).to.throw(BugError)
    expect(() => pool.free(3)).to.throw(BugError)
    expect(() => new ExtentPool(words, 0, 0)).to.throw(BugError)
    expect(() => new ExtentPool(words, BASE + 1, 2)).to.throw(BugError)
  })
})
