/**
 * unlink(2) and rename(2): names of files, apart from the files themselves. Who has a file open or mapped keeps it,
 * whatever becomes of its name.
 */
import { renameSync, unlinkSync } from 'node:fs'
import { type Errno, ErrorNumber, PmemError } from '../errors.js'
import { HeaderWord, type Machine } from '../fault/machine.js'
import { pathOf, withNotes } from '../media/host-file-notes.js'
import { InodeFlag, InodeWord } from '../mm/inode.js'
import { mutexLock, mutexUnlock } from '../sync/mutex.js'
import { getInode, putInode } from './inode-cache.js'

/** A file that cannot be loaded for want of these keeps its name: its blocks would be taken until the next mount. */
const WANTS: readonly Errno[] = [-ErrorNumber.ENOENT, -ErrorNumber.EMFILE, -ErrorNumber.ENOMEM]

/** Context: takes the inode table's mutex over host calls. Return: 0 or -errno: ENOENT, EACCES… of the host. */
export function unlinkFile(machine: Machine, name: string): Errno {
  // Loaded, if it can be: then its blocks are given back with its last user. A name that is no file of ours goes too.
  const inode = holdByName(machine, name)
  if (WANTS.includes(inode)) return inode
  const pool = machine.words.load(HeaderWord.PoolDirectory)
  const error = underTableMutex(machine, () => {
    withoutCommits(machine, inode, () => {
      withNotes(machine.addon, pool, (notes) => {
        unlinkSync(pathOf(pool, name))
        if (inode > 0) dropName(machine, inode)
        notes.remove(name)
      })
    })
  })
  if (inode > 0) putInode(machine, inode)
  return error
}

/**
 * Give a file another name, taking it from the file that has it, which lives on without one.
 * Context: takes the inode table's mutex over host calls. Return: 0 or -errno: ENOENT, EACCES… of the host.
 */
export function renameFile(machine: Machine, from: string, to: string): Errno {
  const inode = holdByName(machine, from)
  if (inode < 0) return inode
  // Loaded first, as for unlink.
  const replaced = from === to ? 0 : Math.max(0, holdByName(machine, to))
  const error = from === to ? 0 : underTableMutex(machine, () => moveName(machine, inode, replaced, from, to))
  if (replaced > 0) putInode(machine, replaced)
  putInode(machine, inode)
  return error
}

function moveName(machine: Machine, inode: number, replaced: number, from: string, to: string): void {
  const { inodes, addon } = machine
  const pool = machine.words.load(HeaderWord.PoolDirectory)
  withoutCommits(machine, replaced, () => {
    withoutCommits(machine, inode, () => {
      withNotes(addon, pool, (notes) => {
        renameSync(pathOf(pool, from), pathOf(pool, to))
        if (replaced > 0) dropName(machine, replaced)
        inodes.setName(inode, new TextEncoder().encode(to))
        inodes.touchTimes(inode, false)
        // Between the two a crash loses the notes: a promise of space, and which blocks were bad; no data.
        notes.rename(from, to)
      })
    })
  })
}

/**
 * A commit writes the note of the name it knows: it must not know one the file no longer has.
 * inode: 0 or less for no file of ours. Context: inode table's mutex held, which makes nesting two of these safe.
 */
function withoutCommits(machine: Machine, inode: number, work: () => void): void {
  if (inode <= 0) {
    work()
    return
  }
  const sync = machine.inodes.at(inode) + InodeWord.Sync
  mutexLock(machine.words, sync)
  try {
    work()
  } finally {
    mutexUnlock(machine.words, sync)
  }
}

function dropName(machine: Machine, inode: number): void {
  machine.inodes.setFlags(inode, InodeFlag.Unlinked)
  machine.inodes.touchTimes(inode, false)
}

/** Return: the inode, with a reference; -errno. */
function holdByName(machine: Machine, name: string): Errno {
  const request = { name, create: false, exclusive: false, readOnly: true, size: 0, mode: 0, maxSize: 0 }
  try {
    return getInode(machine, request).inode
  } catch (error) {
    return errnoOfHost(error)
  }
}

function underTableMutex(machine: Machine, work: () => void): Errno {
  mutexLock(machine.words, HeaderWord.Inodes)
  try {
    work()
    return 0
  } catch (error) {
    return errnoOfHost(error)
  } finally {
    mutexUnlock(machine.words, HeaderWord.Inodes)
  }
}

/** Return: -errno of an error of the host or of ours; what is neither goes on up. */
function errnoOfHost(error: unknown): Errno {
  if (error instanceof PmemError) return -error.errno
  if (error instanceof Error && 'errno' in error && typeof error.errno === 'number') return -Math.abs(error.errno)
  throw error
}
