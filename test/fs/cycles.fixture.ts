/**
 * Mounts, maps, faults and closes, over and over; reports descriptors, mappings and threads of the process before and
 * after. argv: cycles, pool.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { mount } from '../../lib/index.js'
import { settledUsage } from '../support/process-usage.js'
import { report } from './report.js'

const PAGE = 4096
const [cycles = '10', pool = ''] = process.argv.slice(2)

function cycle(i: number): void {
  const pmem = mount(pool)
  const file = pmem.open('a.pm', { create: true, size: 64 * PAGE })
  const map = file.mmap()
  const copy = file.mmap({ sharing: 'private', offset: PAGE, length: PAGE })
  const bytes = new Uint8Array(map.buffer)
  bytes[(i % 64) * PAGE] = i & 255
  new Uint8Array(copy.buffer)[0] = 1
  if (i % 3 === 0) map.msync()
  pmem.close()
}

for (let i = 0; i < 30; i++) {
  cycle(i)
  await sleep(0)
}
const before = await settledUsage()
const started = performance.now()
for (let i = 0; i < Number(cycles); i++) {
  cycle(i)
  await sleep(0)
}
const milliseconds = (performance.now() - started) / Number(cycles)
report({ before, after: await settledUsage(), milliseconds })
