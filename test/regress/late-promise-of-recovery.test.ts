/**
 * 1. recover() of one image returns a promise that is not kept within the time limit. The exploration goes on.
 * 2. While recovery of another image is under way, the promise is kept: the image is tidied up behind it, and usable()
 *    is asked.
 *
 * Failed by: good images reported as bad, because what step 2 took back, or closed, was another's.
 */
import { setImmediate } from 'node:timers/promises'
import { expect } from 'chai'
import { type Pmem, type Region, explore, exploreLive } from '../../lib/index.js'
import { requireUserfaultfd } from '../support/require-uffd.js'

const TIME_LIMIT = 1500
const TURNS = 5

interface Words {
  get(word: number): bigint
  set(word: number, value: bigint): void
}

/**
 * Recovery counts in the image, with its eyes closed now and then, and must find its own count again. That of one image
 * waits until another one is under way.
 */
class Recovery {
  #isLate = false
  #letGo: (() => void) | undefined
  ended = 0

  async run(words: Words): Promise<string> {
    const state = [0, 8, 16].map((word) => String(words.get(word))).join('')
    if (state === '100' && !this.#isLate) {
      this.#isLate = true
      await new Promise<void>((resolve) => (this.#letGo = resolve))
    }
    for (let i = 1n; i <= TURNS; i++) {
      words.set(24, i)
      this.#letGo?.()
      for (let turn = 0; turn < TURNS; turn++) await setImmediate()
      if (words.get(24) !== i) throw new Error(`somebody else was here: ${words.get(24)} for ${i}`)
    }
    words.set(24, 0n)
    this.ended++
    return state
  }
}

describe('regress: a promise of recovery that is kept too late', function () {
  this.timeout(20_000)

  it('does nothing to the image of another recovery on a region', async () => {
    const recovery = new Recovery()
    const { counts, failures } = await explore(
      {
        size: 4096,
        workload: (region: Region) => {
          for (const word of [0, 8, 16]) region.store64(word * 8, 1)
          region.persist(0, 192)
        },
        recover: (region) => {
          const words: Words = {
            get: (word) => region.load64(word * 8),
            set: (word, value) => region.store64(word * 8, value),
          }
          return recovery.run(words)
        },
        usable: () => true,
        idempotent: false,
      },
      { timeLimit: TIME_LIMIT },
    )
    expect(failures.map(({ message }) => message)).to.deep.equal(['recovery did not end within 1500 ms'])
    expect([counts.images, counts.bad]).to.deep.equal([8, 1])
  })

  it('does nothing to the pool of another recovery', async function () {
    requireUserfaultfd(this)
    const recovery = new Recovery()
    let asked = 0
    const { counts, failures } = await exploreLive(
      {
        setup: (pmem: Pmem) => pmem.open('a.pm', { create: true, size: 4096 }).close(),
        workload: (pmem) => {
          const map = pmem.open('a.pm').mmap()
          const words = new BigUint64Array(map.buffer)
          for (const word of [0, 8, 16]) words[word] = 1n
          map.persist(0, 192)
        },
        recover: (pmem) => {
          const map = pmem.open('a.pm').mmap()
          const view = new BigUint64Array(map.buffer)
          const words: Words = {
            get: (word) => view[word] ?? -1n,
            set: (word, value) => {
              view[word] = value
            },
          }
          return recovery.run(words)
        },
        usable: () => {
          asked++
          return true
        },
        idempotent: false,
      },
      { timeLimit: TIME_LIMIT },
    )
    expect(failures.map(({ message }) => message)).to.deep.equal(['recovery did not end within 1500 ms'])
    expect([counts.images, counts.bad, asked]).to.deep.equal([8, 1, 7])
  })
})
