/** Reading a file that no host cache holds, from its beginning to its end: through faults, and by read(2). */
import { execFileSync } from 'node:child_process'
import { closeSync, fsyncSync, openSync, readSync } from 'node:fs'
import { Page } from '../../constants.js'
import { mount } from '../../index.js'
import type { Measurement } from '../bench.js'
import { writeDataFile } from '../faults/data-file.js'
import { fold } from '../fold.js'
import type { MountTask } from './measure.js'

const BUFFER_BYTES = 1 << 20
const PAGE_WORDS = Page.Size / 4

export function measureRead(task: MountTask): Measurement {
  writeDataFile(task.path, task.bytes / Page.Size, task.seed)
  forget(task.path)
  const { milliseconds, hash } = task.isOurs ? readThroughFaults(task) : readIntoBuffer(task.path)
  const perSecond = (task.bytes / 2 ** 20 / milliseconds) * 1000
  return { figures: { taken: milliseconds, perSecond }, hash: hash >>> 0 }
}

/** Drop the file from the host's page cache: posix_fadvise(DONTNEED), which dirty pages survive. */
function forget(path: string): void {
  const fd = openSync(path, 'r')
  fsyncSync(fd)
  closeSync(fd)
  execFileSync('dd', [`if=${path}`, 'iflag=nocache', 'count=0'], { stdio: 'ignore' })
}

interface Pass {
  readonly milliseconds: number
  /** Folded over the first word of each page. */
  readonly hash: number
}

function readIntoBuffer(path: string): Pass {
  const buffer = Buffer.alloc(BUFFER_BYTES)
  const words = new Int32Array(buffer.buffer, buffer.byteOffset, BUFFER_BYTES / 4)
  const start = performance.now()
  const fd = openSync(path, 'r')
  let hash = 0
  const next = (at: number): number => readSync(fd, buffer, 0, BUFFER_BYTES, at)
  for (let at = 0, bytes = next(0); bytes > 0; at += bytes, bytes = next(at)) hash = foldPages(hash, words, bytes / 4)
  closeSync(fd)
  return { milliseconds: performance.now() - start, hash }
}

function readThroughFaults({ directory, file, workers }: MountTask): Pass {
  using pmem = mount(directory, { faultWorkers: workers })
  const words = new Int32Array(pmem.open(file).mmap().buffer)
  const start = performance.now()
  const hash = foldPages(0, words, words.length)
  return { milliseconds: performance.now() - start, hash }
}

function foldPages(before: number, words: Int32Array, length: number): number {
  let hash = before
  for (let at = 0; at < length; at += PAGE_WORDS) hash = fold(hash, words[at] as number)
  return hash
}
