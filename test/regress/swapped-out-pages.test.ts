/**
 * mincore calls a page that the host has swapped out not resident, and the cache was asked by mincore what it has. On a
 * host with swap a sync of 2 MiB entries passed over such pages (stores lost that it had acknowledged), private copies
 * and punches took media's older bytes, and a power failure on 'eadr' lost stores.
 *
 * Here mincore says so of every page: nothing but a guess may depend on it.
 */
import { expect } from 'chai'
import { machineOf } from '../../lib/fs/pmem.js'
import { PAGE, Pool, bytes } from '../fault/pool.js'
import { requireUserfaultfd } from '../support/require-uffd.js'

const PAGES = 1024

describe('regress: pages that the host has swapped out', () => {
  before(function () {
    requireUserfaultfd(this)
  })

  for (const hugePages of [false, true]) {
    for (const domain of ['adr', 'eadr'] as const) {
      it(`are in the cache: ${hugePages ? '2 MiB' : '4 KiB'}, ${domain}`, () => {
        const pool = new Pool({ hugePages, domain })
        const file = pool.data(PAGES)
        const { addon } = machineOf(pool.pmem)
        const residentPages = addon.residentPages.bind(addon)
        const [view, before] = [bytes(file.mmap()), bytes(file.mmap({ sharing: 'private' }))]
        for (let page = 0; page < PAGES; page++) view[page * PAGE + 5] = 77
        Object.assign(addon, { residentPages: noneResident })
        try {
          before[9 * PAGE] = 1
          expect([before[9 * PAGE], before[9 * PAGE + 5]]).to.deep.equal([1, 77])
          file.fallocate({ mode: 'punch', offset: 3 * PAGE + 100, length: PAGE })
          expect([3, 4].map((page) => view[page * PAGE + 5])).to.deep.equal([77, 0])
          file.mmap().prefetch()
          if (domain === 'adr') file.sync()
          pool.pmem.crash()
        } finally {
          Object.assign(addon, { residentPages })
        }
        for (let page = 0; page < PAGES; page++)
          expect(view[page * PAGE + 5], `page ${page}`).to.equal(page === 4 ? 0 : 77)
        pool.pmem.verify()
        pool.close()
      })
    }
  }
})

function noneResident(_address: number, _length: number, out: Uint8Array): number {
  out.fill(0)
  return 0
}
