/** Stores one byte through a mapping and dies of SIGKILL at once. argv: pool, sync | plain, store | persist, bytes. */
import { mount } from '../../lib/index.js'

const [pool = '', kind, end, size = '0'] = process.argv.slice(2)
const pmem = mount(pool, { capacity: '64MiB' })
const file = pmem.open('a.pm', { create: true, size: Number(size), maxSize: '32MiB' })
const mapping = file.mmap({ sync: kind === 'sync' })
new Uint8Array(mapping.buffer)[4096] = 7
if (end === 'persist') mapping.persist(4096, 1)
process.kill(process.pid, 'SIGKILL')
