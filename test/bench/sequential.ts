/** Reading a file no host cache holds, from its beginning to its end: through faults, and by read(2) into a buffer. */
import { execFileSync } from 'node:child_process'
import { closeSync, fsyncSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { mount } from '../../lib/index.js'
import { Page } from '../../lib/constants.js'
import { median } from '../../lib/bench/statistics.js'
import { DATA_FILE, type ChildRequest, type FigureRun } from './protocol.js'

const ROUNDS = 5
const BUFFER_BYTES = 1 << 20
const PAGE_WORDS = Page.Size / 4

/** Both sides by turns, each with the file out of the host's cache; with the defaults of a mount. Milliseconds. */
export function measureSequential({ pool }: ChildRequest): FigureRun {
  const path = join(pool, DATA_FILE)
  const taken = { read: [] as number[], faults: [] as number[] }
  for (let round = 0; round < ROUNDS; round++) {
    const sides = [readAll, faultAll].map((side) => {
      forget(path)
      return side(pool, path)
    })
    const [read, faults] = sides as [Pass, Pass]
    if (read.hash !== faults.hash) throw new Error('the faults and read(2) found different bytes')
    taken.read.push(read.milliseconds)
    taken.faults.push(faults.milliseconds)
  }
  const ratios = taken.faults.map((value, round) => value / (taken.read[round] as number))
  return { readMs: median(taken.read), faultsMs: median(taken.faults), ratio: median(ratios) }
}

interface Pass {
  readonly milliseconds: number
  /** Folded over the first word of each page. */
  readonly hash: number
}

/** Drop the file from the host's page cache: posix_fadvise(DONTNEED), which dirty pages survive. */
function forget(path: string): void {
  const fd = openSync(path, 'r')
  fsyncSync(fd)
  closeSync(fd)
  execFileSync('dd', [`if=${path}`, 'iflag=nocache', 'count=0'], { stdio: 'ignore' })
}

function readAll(_pool: string, path: string): Pass {
  const buffer = Buffer.alloc(BUFFER_BYTES)
  const words = new Int32Array(buffer.buffer, buffer.byteOffset, BUFFER_BYTES / 4)
  const start = performance.now()
  const fd = openSync(path, 'r')
  let hash = 0
  const next = (at: number): number => readSync(fd, buffer, 0, BUFFER_BYTES, at)
  for (let at = 0, bytes = next(0); bytes > 0; at += bytes, bytes = next(at)) hash = fold(hash, words, bytes / 4)
  closeSync(fd)
  return { milliseconds: performance.now() - start, hash }
}

function faultAll(pool: string): Pass {
  using pmem = mount(pool)
  const words = new Int32Array(pmem.open(DATA_FILE).mmap().buffer)
  const start = performance.now()
  const hash = fold(0, words, words.length)
  return { milliseconds: performance.now() - start, hash }
}

function fold(before: number, words: Int32Array, length: number): number {
  let hash = before
  for (let at = 0; at < length; at += PAGE_WORDS) hash = Math.imul(hash ^ (words[at] as number), 0x01000193)
  return hash
}
