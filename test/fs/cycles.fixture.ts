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

/** The least of many looks: what ends or is collected needs turns of the event loop. */
async function settle(): Promise<Record<string, number>> {
  const least = usage()
  for (let i = 0; i < 30; i++) {
    globalThis.gc?.()
    await sleep(40)
    for (const [name, count] of Object.entries(usage())) least[name] = Math.min(least[name] ?? count, count)
  }
  return least
}

/** The shared words of a mount are over 100 MiB; thread stacks are 8, and pages of V8's heap that touch can be 2. */
const LARGE = 16 * 2 ** 20

function usage(): Record<string, number> {
  const maps = readFileSync('/proc/self/maps', 'utf8').trim().split('\n')
  return {
    descriptors: readdirSync('/proc/self/fd').length,
    threads: readdirSync('/proc/self/task').length,
    mappings: maps.length,
    // Everything with a name: memfds, media, the userfaultfd, libraries. V8's heap has none, and comes and goes.
    named: maps.filter((line) => line.trim().split(/ +/).length > 5).length,
    // The page of zeroes of a mount, and its shared words.
    readOnly: maps.filter((line) => / r--p .* 00:00 0 *$/.test(line)).length,
    large: maps.filter((line) => / rw-p .* 00:00 0 *$/.test(line) && sizeOf(line) >= LARGE).length,
  }
}

function sizeOf(line: string): number {
  const [start = '', end = ''] = (line.split(' ')[0] ?? '').split('-')
  return Number.parseInt(end, 16) - Number.parseInt(start, 16)
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
