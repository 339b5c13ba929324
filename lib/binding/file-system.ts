/** What kind of file system a pool is on, as far as it matters. */
import { statfsSync } from 'node:fs'

/** statfs(2) types of file systems that other hosts can change, or that pass files on to such. */
const SHARED_WITH_OTHERS: Readonly<Record<number, string>> = {
  0x6969: 'nfs',
  0x517b: 'smb',
  0xff534d42: 'cifs',
  0xfe534d42: 'smb2',
  0x01021997: '9p',
  0x65735546: 'fuse',
  0x00c36400: 'ceph',
  0x5346414f: 'afs',
  0x6b414653: 'kafs',
  0x0bd00bd0: 'lustre',
  0x73757245: 'coda',
  0x01161970: 'gfs2',
  0x7461636f: 'ocfs2',
  0x786f4256: 'vboxsf',
}

export const SHARED_REASON =
  'other hosts may change its files, and may not see the lock of the pool; its holes may not be told from data'
export const SHARED_REMEDY = 'put the pool on a local file system (ext4, xfs, btrfs, tmpfs)'

/** type: of statfs(2). Return: the name of a file system shared with other hosts; undefined for any other. */
export function sharedFileSystem(type: number): string | undefined {
  return SHARED_WITH_OTHERS[type >>> 0]
}

/** The same for the file system that holds `path`. Errors: of the host. */
export function sharedFileSystemOf(path: string): string | undefined {
  return sharedFileSystem(statfsSync(path).type)
}

const TMPFS = 0x01021994

/** Is `path` on tmpfs? Errors: of the host. */
export function isOnTmpfs(path: string): boolean {
  return statfsSync(path).type === TMPFS
}
