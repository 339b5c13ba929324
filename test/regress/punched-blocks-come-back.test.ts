/**
 * Blocks that were committed without data and punched since were still noted on media. Others had them by then, and
 * after a crash, or at the next mount, the files held more than the device.
 */
import { expect } from 'chai'
import { mkdirSync, writeFileSync } from 'node:fs'
import { mount } from '../../lib/index.js'
import { PAGE, Pool } from '../fault/pool.js'
import { requireUserfaultfd } from '../support/require-uffd.js'

describe('blocks that left a file', () => {
  const PAGES = 16
  let pool: Pool

  before(function () {
    requireUserfaultfd(this)
  })

  beforeEach(() => (pool = new Pool({ capacity: PAGES * PAGE })))
  afterEach(() => {
    pool.close()
  })

  for (const [how, leave] of [
    ['punch', (file) => file.fallocate({ mode: 'punch', offset: 4 * PAGE, length: 12 * PAGE })],
    ['truncate', (file) => file.truncate(4 * PAGE)],
    ['collapse', (file) => file.fallocate({ mode: 'collapse', offset: 0, length: 12 * PAGE })],
  ] as readonly [string, (file: ReturnType<Pool['holes']>) => void][]) {
    it(`are not in it after a crash (${how})`, () => {
      const file = pool.holes(PAGES)
      file.fallocate({ offset: 0, length: PAGES * PAGE })
      file.sync()
      leave(file)
      const other = pool.holes(12, 'other.pm')
      other.fallocate({ offset: 0, length: 12 * PAGE })
      other.sync()
      pool.pmem.crash()
      expect(file.stat().blocks).to.be.at.most(4 * 8)
      expect(other.stat().blocks).to.equal(12 * 8)
    })
  }

  it('and are noted all the same do not keep the pool from being mounted', () => {
    pool.holes(PAGES).fallocate({ offset: 0, length: PAGES * PAGE })
    pool.pmem.close()
    mkdirSync(`${pool.path}/.faultline/blocks`, { recursive: true })
    const note = { format: 1, pageSize: PAGE, unwritten: [[0, PAGES + 1]], written: [] }
    writeFileSync(`${pool.path}/.faultline/blocks/a.pm`, JSON.stringify(note))
    pool.pmem = mount(pool.path, { capacity: PAGES * PAGE, faultWorkers: 1 })
    const file = pool.pmem.open('a.pm')
    expect(file.stat().blocks).to.equal(0)
    file.fallocate({ offset: 0, length: PAGES * PAGE })
  })
})
