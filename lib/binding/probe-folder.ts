/** Probes of the file system a pool's media files would live on: sparse files must stay sparse, and say so. */
import { unlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { Addon } from './addon.js'
import { type Capability, missing, present } from './capability.js'
import { SHARED_REASON, SHARED_REMEDY, sharedFileSystemOf } from './file-system.js'

const PIECE = 65536
const FILE_SYSTEMS = 'put the pool on ext4, xfs, btrfs or tmpfs'

export function probeFolder(addon: Addon, pool: string): Capability[] {
  let folder = -1
  let file = -1
  try {
    const { O_CREAT = 0, O_EXCL = 0, O_RDWR = 0 } = addon.constants
    const name = `.faultline-probe-${String(process.pid)}-${String(addon.threadId())}`
    folder = addon.openDirectory(pool)
    file = addon.openBeneath(folder, name, O_CREAT | O_EXCL | O_RDWR, 0o600)
    unlinkSync(join(pool, name))
    return [present('pool directory', true, pool), localRow(pool), ...holeRows(addon, file)]
  } catch (error) {
    return [missing('pool directory', true, pool, (error as Error).message, 'make it a directory you can write to')]
  } finally {
    if (file !== -1) addon.closeFd(file)
    if (folder !== -1) addon.closeFd(folder)
  }
}

function localRow(pool: string): Capability {
  const shared = sharedFileSystemOf(pool)
  if (shared === undefined) return present('local file system', false, 'yes')
  return missing('local file system', false, shared, SHARED_REASON, SHARED_REMEDY)
}

/** Three pieces of data, the middle one punched out: it must give its blocks back and be seen as a hole. */
function holeRows(addon: Addon, file: number): Capability[] {
  const { FALLOC_FL_KEEP_SIZE = 0, FALLOC_FL_PUNCH_HOLE = 0 } = addon.constants
  const data = new Uint8Array(3 * PIECE).fill(1)
  const written = addon.writeFile(file, addon.addressOf(data), data.length, 0)
  if (written !== data.length) {
    return [missing('hole punching', true, 'cannot write', `write gave ${String(written)}`, 'make room for the pool')]
  }
  const punched = addon.allocateFile(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PIECE, PIECE)
  if (punched !== 0) {
    return [missing('hole punching', true, `errno ${String(-punched)}`, 'blocks cannot be given back', FILE_SYSTEMS)]
  }
  const pairs = addon.fileExtents(file, 0, 3 * PIECE, new Float64Array(8))
  const seekRow =
    pairs === 2
      ? present('SEEK_HOLE', true, 'holes are seen')
      : missing('SEEK_HOLE', true, `${String(pairs)} extents for 2`, 'holes look like data', FILE_SYSTEMS)
  return [present('hole punching', true, 'works'), seekRow]
}
