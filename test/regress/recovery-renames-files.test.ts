/**
 * 1. exploreLive: recovery of the first image removes a file, or gives it another name.
 * 2. The next image is made.
 *
 * Failed by: ENOENT in every recovery after that, for the file was not there again.
 */
import { expect } from 'chai'
import { type Pmem, exploreLive } from '../../lib/index.js'
import { requireUserfaultfd } from '../support/require-uffd.js'

describe('regress: names that recovery changes', function () {
  this.timeout(20_000)
  before(function () {
    requireUserfaultfd(this)
  })

  const changes: Readonly<Record<string, (pmem: Pmem) => void>> = {
    'removes a file': (pmem) => pmem.unlink('a.pm'),
    'renames a file': (pmem) => pmem.rename('a.pm', 'c.pm'),
    'puts another file in its place': (pmem) => pmem.rename('b.pm', 'a.pm'),
    'makes a file anew': (pmem) => {
      pmem.unlink('a.pm')
      pmem.open('a.pm', { create: true, size: 4096 }).mmap().fill(0, 4096, 7)
      pmem.sync()
    },
  }
  for (const [what, change] of Object.entries(changes)) {
    it(`are as before in the next image: recovery ${what}`, async () => {
      const { counts, failures } = await exploreLive({
        setup: (pmem: Pmem) => {
          for (const name of ['a.pm', 'b.pm']) pmem.open(name, { create: true, size: 4096 }).close()
        },
        workload: (pmem) => {
          const map = pmem.open('a.pm').mmap()
          const words = new BigUint64Array(map.buffer)
          for (const word of [0, 8, 16]) words[word] = 1n
          map.persist(0, 192)
        },
        recover: (pmem) => {
          const words = new BigUint64Array(pmem.open('a.pm').mmap().buffer)
          const state = [words[0], words[8], words[16], words.filter((word) => word > 1n).length, pmem.list().join()]
          change(pmem)
          return state.join(' ')
        },
        check: (state) => /^[01] [01] [01] 0 a.pm,b.pm$/.test(state) || state,
        idempotent: false,
      })
      expect(failures.map(({ message }) => message)).to.deep.equal([])
      expect([counts.images, counts.semantic, counts.bad]).to.deep.equal([8, 8, 0])
    })
  }
})
