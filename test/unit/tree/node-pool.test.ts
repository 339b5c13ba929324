import { expect } from 'chai'
import { BugError } from '../../../lib/assert.js'
import { AtomicWords } from '../../../lib/sync/shared-words.js'
import { NodeFormat } from '../../../lib/tree/node.js'
import { NodePool } from '../../../lib/tree/node-pool.js'

const BASE = 7

function poolOf(capacity: number, bits: number): { words: AtomicWords; pool: NodePool } {
  const words = new AtomicWords(new SharedArrayBuffer((BASE + NodePool.wordsFor(capacity, bits)) * 4))
  for (let at = 0; at < words.length; at++) words.set(at, -2)
  const pool = new NodePool(words, BASE, capacity, bits)
  pool.initialise()
  return { words, pool }
}

describe('node pool', () => {
  it('costs at most 4.75 bytes a page at 64 slots', () => {
    expect(NodeFormat.sizeFor(6)).to.be.at.most(76)
    expect([2, 3, 4, 5, 6].map((bits) => NodeFormat.sizeFor(bits))).to.deep.equal([10, 14, 22, 38, 72])
  })

  it('hands out every node once, zeroed, then 0', () => {
    const { words, pool } = poolOf(5, 3)
    const ids = Array.from({ length: 5 }, () => pool.allocate())
    expect(new Set(ids).size).to.equal(5)
    for (const id of ids) {
      for (let word = 0; word < NodeFormat.sizeFor(3); word++) expect(words.get(pool.at(id) + word)).to.equal(0)
    }
    expect(pool.inUse).to.equal(5)
    expect(pool.allocate()).to.equal(0)
    expect(pool.inUse).to.equal(5)
    for (let at = 0; at < BASE; at++) expect(words.get(at), 'memory before the pool').to.equal(-2)
  })

  it('reuses what was freed, zeroed again, before it touches fresh memory', () => {
    const { words, pool } = poolOf(4, 6)
    const first = pool.allocate()
    const second = pool.allocate()
    words.set(pool.at(first) + 71, 99)
    pool.free(first)
    pool.free(second)
    expect(pool.inUse).to.equal(0)
    const again = [pool.allocate(), pool.allocate()]
    expect(again).to.have.members([first, second])
    expect(words.get(pool.at(first) + 71)).to.equal(0)
    expect(words.get(pool.at(3)), 'a node never used').to.equal(-2)
    expect(pool.allocate()).to.equal(3)
  })

  it('is the same pool for every thread that attaches', () => {
    const { words, pool } = poolOf(2, 2)
    const other = new NodePool(words, BASE, 2, 2)
    expect(other.allocate()).to.not.equal(pool.allocate())
    expect(other.allocate()).to.equal(0)
    other.free(1)
    expect(pool.inUse).to.equal(1)
    expect(pool.allocate()).to.equal(1)
  })

  it('catches misuse, and stays usable', () => {
    const { words, pool } = poolOf(2, 2)
    const id = pool.allocate()
    pool.free(id)
    expect(() => {
      pool.free(id)
    }).to.throw(BugError, 'freed twice')
    for (const wrong of [0, 3, -1]) {
      expect(() => {
        pool.free(wrong)
      }).to.throw(BugError, 'not a node id')
    }
    expect(pool.allocate()).to.equal(id)
    for (const bits of [1, 7, 2.5]) expect(() => NodePool.wordsFor(1, bits)).to.throw(BugError)
    expect(() => new NodePool(words, BASE, 3, 2)).to.throw(BugError, 'does not fit')
    expect(() => new NodePool(words, BASE, 0, 2)).to.throw(BugError)
  })
})
