/** Collapse and insert moved holes as data: blocks appeared with the next crash or mount, more than the pool had. */
import { expect } from 'chai'
import { PAGE, Pool } from '../fault/pool.js'
import { requireUserfaultfd } from '../support/require-uffd.js'

describe('holes that collapse and insert move', () => {
  before(function () {
    requireUserfaultfd(this)
  })

  for (const mode of ['insert', 'collapse'] as const) {
    it(`are holes after a crash: ${mode}`, () => {
      const pool = new Pool({ capacity: 16 * PAGE })
      const file = pool.holes(10)
      for (const page of [2, 5, 9]) file.write(Buffer.alloc(PAGE, page), page * PAGE)
      file.fallocate({ mode, offset: 0, length: PAGE })
      pool.pmem.crash({ survive: 'all' })
      expect(file.stat().blocks).to.equal((3 * PAGE) / 512)
      const moved = mode === 'insert' ? 1 : -1
      for (const page of [2, 5, 9]) {
        const bytes = Buffer.alloc(1)
        file.read(bytes, (page + moved) * PAGE)
        expect(bytes[0]).to.equal(page)
      }
      pool.close()
    })
  }
})
