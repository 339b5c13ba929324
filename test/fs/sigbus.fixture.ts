/** A process that dies of SIGBUS in a plain load or store. argv: 'full' or 'eof', pool. */
import { mount } from '../../lib/index.js'
import { report } from './report.js'

const PAGE = 4096
const CAPACITY_PAGES = 16
const [scenario, pool = ''] = process.argv.slice(2)

const pmem = mount(pool, { capacity: CAPACITY_PAGES * PAGE })
const file = pmem.open('a.pm', { create: true, size: 64 * PAGE })
const bytes = new Uint8Array(file.mmap({ length: 65 * PAGE }).buffer)
if (scenario === 'full') {
  for (let page = 0; page < CAPACITY_PAGES; page++) bytes[page * PAGE] = 1
  report({ stored: CAPACITY_PAGES })
  bytes[CAPACITY_PAGES * PAGE] = 1
} else {
  report({ last: bytes[64 * PAGE - 1] })
  report({ past: bytes[64 * PAGE] })
}
