/** Part 1: a real file goes into a pool and comes back out of a mapping, page fault by page fault. */
import { createHash } from 'node:crypto'
import { closeSync, openSync, readSync } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Page } from '../../constants.js'
import { PmemError } from '../../errors.js'
import type { Pmem } from '../../fs/pmem.js'
import type { Progress } from '../progress.js'
import { Totals } from './totals.js'
import { withMount } from '../with-mount.js'

const WRITE_BYTES = 4 * 2 ** 20
const READ_BYTES = 2 ** 20
const NAME = 'copy.pm'

export interface CopyResult {
  readonly bytes: number
  readonly sourceHash: string
  readonly mappedHash: string
  /** Of reading and hashing the mapping. */
  readonly readSeconds: number
  readonly totals: Totals
}

/**
 * Copy `source` into the pool with DaxFile.write, sync, unmount, mount again (an empty cache), map, and read all of it.
 * Errors: PmemError, errors of the host.
 */
export async function copyPart(pool: string, source: string, bytes: number, progress: Progress): Promise<CopyResult> {
  const totals = new Totals()
  // Room for the file and what goes with it.
  const capacity = Math.ceil((2 * bytes) / Page.Size) * Page.Size + WRITE_BYTES
  progress.start(2 * bytes)
  try {
    const sourceHash = await withMount(pool, { capacity }, async (pmem) => {
      const hash = await copyIn(pmem, source, bytes, progress)
      totals.add(pmem.stats())
      return hash
    })
    return await withMount(pool, { capacity }, async (pmem) => {
      const began = performance.now()
      const mappedHash = await hashMapping(pmem, (done) => progress.update(bytes + done))
      const readSeconds = (performance.now() - began) / 1000
      totals.add(pmem.stats())
      return { bytes, sourceHash, mappedHash, readSeconds, totals }
    })
  } finally {
    progress.stop()
  }
}

/** Return: SHA-256 of what was read from the source. */
async function copyIn(pmem: Pmem, source: string, bytes: number, progress: Progress): Promise<string> {
  using file = pmem.open(NAME, { create: true, size: bytes })
  const hash = createHash('sha256')
  const chunk = Buffer.alloc(WRITE_BYTES)
  const fd = openSync(source, 'r')
  try {
    for (let at = 0; at < bytes;) {
      const length = readSync(fd, chunk, 0, Math.min(chunk.length, bytes - at), at)
      if (length === 0) throw new PmemError('EIO', 'read', 'the file became shorter while it was copied', source)
      hash.update(chunk.subarray(0, length))
      const written = file.write(chunk.subarray(0, length), at)
      if (written < length) throw new PmemError('ENOSPC', 'write', undefined, NAME)
      at += length
      progress.update(at)
      await nextTurn()
    }
  } finally {
    closeSync(fd)
  }
  file.sync()
  return hash.digest('hex')
}

/** Return: SHA-256 of the mapping, straight from the mapped memory. */
async function hashMapping(pmem: Pmem, onProgress: (done: number) => void): Promise<string> {
  using file = pmem.open(NAME, { readOnly: true })
  using mapping = file.mmap({ protection: 'r' })
  const hash = createHash('sha256')
  for (let at = 0; at < mapping.byteLength; at += READ_BYTES) {
    const length = Math.min(READ_BYTES, mapping.byteLength - at)
    hash.update(new Uint8Array(mapping.buffer, at, length))
    onProgress(at + length)
    await nextTurn()
  }
  return hash.digest('hex')
}
