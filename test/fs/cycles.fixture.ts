/**
 * Mounts, maps, faults and closes, over and over; reports descriptors, mappings and threads of the process before and
 * after. argv: cycles, pool.
 */
import { readFileSync, readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { mount } from '../../lib/index.js'
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

/** Threads that end, and what the collector unmaps, need turns of the event loop and a moment. */
async function settle(): Promise<Record<string, number>> {
  let last = usage()
  for (let i = 0; i < 20; i++) {
    globalThis.gc?.()
    await sleep(50)
    const now = usage()
    if (i > 3 && JSON.stringify(now) === JSON.stringify(last)) break
    last = now
  }
  return usage()
}

function usage(): Record<string, number> {
  const maps = readFileSync('/proc/self/maps', 'utf8').split('\n')
  return {
    descriptors: readdirSync('/proc/self/fd').length,
    threads: readdirSync('/proc/self/task').length,
    mappings: maps.length,
    // V8's own mappings come and go: those of ours have these names.
    ours: maps.filter((line) => /memfd:faultline|a\.pm|userfaultfd/.test(line)).length,
  }
}

for (let i = 0; i < 30; i++) {
  cycle(i)
  await sleep(0)
}
const before = await settle()
const started = performance.now()
for (let i = 0; i < Number(cycles); i++) {
  cycle(i)
  await sleep(0)
}
const milliseconds = (performance.now() - started) / Number(cycles)
report({ before, after: await settle(), milliseconds })
