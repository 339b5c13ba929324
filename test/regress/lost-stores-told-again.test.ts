/**
 * A page of a dirty 2 MiB entry goes bad: the next sync says that stores are lost. So did every later sync of an entry
 * that was dirtied again beside the page, though nothing more was lost: a database that stops at the first error of
 * fsync could never go on.
 */
import { expect } from 'chai'
import { PmemError, type DaxFile } from '../../lib/index.js'
import { PAGE, Pool, bytes } from '../fault/pool.js'
import { requireUserfaultfd } from '../support/require-uffd.js'

const PAGES = 1024

describe('regress: stores that are lost are told of once', () => {
  before(function () {
    requireUserfaultfd(this)
  })

  for (const dirtyTracking of ['sync', 'async'] as const) {
    it(`in a 2 MiB entry that goes on, dirtyTracking ${dirtyTracking}`, () => {
      const pool = new Pool({ hugePages: true, dirtyTracking })
      const file = pool.data(PAGES)
      const other = pool.pmem.open(file.name)
      const view = bytes(file.mmap())
      const store = (page: number): void => {
        view[page * PAGE + 9] = page
      }
      const poison = (page: number): void => {
        pool.pmem.poison(file, page * PAGE, 512)
      }
      store(2)
      store(5)
      poison(2)
      expect([syncOf(file), syncOf(file), syncOf(other), syncOf(other)]).to.deep.equal(['EIO', 'ok', 'EIO', 'ok'])
      for (const page of [3, 511]) {
        store(page)
        expect([syncOf(file), syncOf(other)], `store to page ${page}`).to.deep.equal(['ok', 'ok'])
      }

      store(3)
      poison(3)
      expect([syncOf(file), syncOf(file)], 'another page').to.deep.equal(['EIO', 'ok'])

      pool.pmem.clearPoison(file, 2 * PAGE, PAGE)
      store(2)
      poison(2)
      expect([syncOf(file), syncOf(file)], 'the same page, anew').to.deep.equal(['EIO', 'ok'])

      store(7)
      file.sync()
      pool.pmem.crash()
      expect([5, 7, 511].map((page) => view[page * PAGE + 9])).to.deep.equal([5, 7, 511 & 0xff])
      pool.pmem.verify()
      pool.close()
    })
  }
})

function syncOf(file: DaxFile): string {
  try {
    file.sync()
    return 'ok'
  } catch (error) {
    if (!(error instanceof PmemError)) throw error
    return error.code
  }
}
