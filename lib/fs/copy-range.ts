/** copy_file_range(2) between files of one mount, through the kernel's own memory (no reflink). */
import { type Errno, ErrorNumber } from '../errors.js'
import type { Machine } from '../fault/machine.js'
import { readBytes, writeBytes } from './read-write.js'

const CHUNK = 1 << 20

/**
 * Copy up to `length` bytes. The source ends the copy at the EOF it has now, though the copy itself may move that
 * (generic_copy_file_checks). Ranges of one file that overlap after that are refused.
 * Context: takes the i_rwsem of each file in turn. Return: bytes copied; -errno when the first could not be.
 */
export function copyFileRange(
  machine: Machine,
  source: number,
  sourceOffset: number,
  target: number,
  targetOffset: number,
  length: number,
): Errno {
  const count = Math.max(0, Math.min(length, machine.inodes.sizeOf(source) - sourceOffset))
  if (source === target && Math.abs(sourceOffset - targetOffset) < count) return -ErrorNumber.EINVAL
  if (count === 0) return 0
  const buffer = new Uint8Array(Math.min(CHUNK, count))
  const address = machine.addon.addressOf(buffer)
  let done = 0
  while (done < count) {
    const wanted = Math.min(buffer.length, count - done)
    const read = readBytes(machine, source, address, wanted, sourceOffset + done)
    if (read <= 0) return done > 0 ? done : read
    const written = writeBytes(machine, target, address, read, targetOffset + done)
    if (written < 0) return done > 0 ? done : written
    done += written
    if (written < read || read < wanted) break
  }
  return done
}
