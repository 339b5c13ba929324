/**
 * Mount option zeroCopy: mappings map the media files themselves (media/host-file-mapped.ts), which only tmpfs allows.
 *
 * What is left behind. A load of a hole maps a page of zeroes, which is a page of the file then, where the block map
 * has none. Close, power failure and unmount give such pages back. A process that is killed cannot; so while a file is
 * open there is an empty note, .faultline/mapped/NAME, and the next mount looks at the files that have one: what is all
 * zeroes there, and not noted as allocated, is a hole again. A written block that holds nothing but zeroes may be among
 * that: it loses the promise of its space, and no byte.
 */
import type { Addon } from '../binding/addon.js'
import { isOnTmpfs } from '../binding/file-system.js'
import type { MountConfig } from '../config.js'
import { Page } from '../constants.js'
import { PmemError, checkResult, isErrno } from '../errors.js'
import { HeaderWord, type Machine } from '../fault/machine.js'
import { type NotedRun, partsWithout, readNote } from '../media/host-file-blocks.js'
import { BlockState } from '../media/block-map.js'
import { MAPPED_DIRECTORY, namesWithNotes, openNote, removeNotes } from '../media/host-file-notes.js'
import { InodeFlag, InodeWord } from '../mm/inode.js'
import { VmaState, VmaWord } from '../mm/vma.js'
import { mutexLock, mutexUnlock } from '../sync/mutex.js'
import { type PoolDirectory, flag, forEachDataRange } from './pool-directory.js'

const CHUNK_PAGES = 256

/** The configuration with option zeroCopy decided. Errors: ENOTSUP with what mends it. */
export function decideZeroCopy(config: MountConfig, root: string): MountConfig {
  if (config.zeroCopy === false) return config
  const isPossible = isOnTmpfs(root)
  if (isPossible || config.zeroCopy === 'ifPossible') return { ...config, zeroCopy: isPossible }
  const reason = 'zeroCopy needs a pool on tmpfs, whose files userfaultfd can serve'
  throw new PmemError('ENOTSUP', 'mount', `${reason}; mend: move the pool to /dev/shm, or leave the option out`, root)
}

/** A descriptor of the media file for mappings, and the note that it is mapped. Context: the inode has its name. */
export function openForMapping(machine: Machine, inode: number): number {
  const { addon, inodes, words } = machine
  const { constants: c } = addon
  const name = inodes.nameOf(inode)
  if (inodes.hasFlags(inode, InodeFlag.ReadOnly)) {
    const mend = 'give this user write permission, or mount without zeroCopy'
    throw new PmemError('ENOTSUP', 'open', `zeroCopy maps no file that cannot be written; mend: ${mend}`, name)
  }
  const flags = flag(c, 'O_RDWR') | flag(c, 'O_CREAT')
  addon.closeFd(openNote(addon, words.load(HeaderWord.PoolDirectory), `${MAPPED_DIRECTORY}/${name}`, flags))
  return addon.duplicateFd(inodes.word(inode, InodeWord.MediaFd))
}

/**
 * The block map is about to be forgotten, with who is left to tell holes from blocks of zeroes: give back what holes
 * have on media. Once: without a note it was done, by a thread that was terminated perhaps before it could free the
 * inode, and the descriptor may be another file's by now. What fails leaves the note, and the next mount looks again.
 *
 * Context: nobody uses the file, its blocks are loaded; takes ilock.
 */
export function leaveMedia(machine: Machine, inode: number): void {
  const { handle, inodes, media, words, addon } = machine
  if (handle.config.zeroCopy !== true || inodes.hasFlags(inode, InodeFlag.Unlinked)) return
  const pool = words.load(HeaderWord.PoolDirectory)
  const name = inodes.nameOf(inode)
  try {
    addon.closeFd(openNote(addon, pool, `${MAPPED_DIRECTORY}/${name}`, flag(addon.constants, 'O_RDONLY')))
    if (media.dropCache(inode, 0, inodes.pagesOf(inode) * Page.Size) < 0) return
    removeNotes(addon, pool, name, [MAPPED_DIRECTORY])
  } catch (error) {
    if (!(error instanceof Error) || !('errno' in error)) throw error
  }
}

/**
 * Pages that media has where the block map has no written block: holes and unwritten blocks that were looked at.
 * Context: nobody changes the file; takes ilock. Return: how many.
 */
export function visitPagesWithoutBlocks(
  { addon, inodes, words, blocks, blockCursor }: Machine,
  inode: number,
  visit: (page: number, isZero: boolean) => void,
): number {
  const at = inodes.at(inode)
  const fd = inodes.word(inode, InodeWord.MediaFd)
  const bytes = new BigUint64Array(Page.Size / 8)
  let count = 0
  forEachDataRange(addon, fd, inodes.sizeOf(inode), (first, end) => {
    for (let page = first; page < end; page++) {
      mutexLock(words, at + InodeWord.Blocks)
      const state = blocks.lookup(at + InodeWord.BlockRoot, page, blockCursor)
      mutexUnlock(words, at + InodeWord.Blocks)
      if (state === BlockState.Written) {
        page += blockCursor.pages - 1
        continue
      }
      bytes.fill(0n)
      addon.readFile(fd, addon.addressOf(bytes), Page.Size, page * Page.Size)
      count++
      visit(page, isZero(bytes, 0))
    }
  })
  return count
}

/**
 * Nobody serves faults any more. Media must not be cut short for that, as a cache is: mappings go on as plain memory of
 * the host, on media. Who sleeps in a fault goes on too.
 * Context: any; a mapping that is gone meanwhile, or is no longer ours, is passed over.
 */
export function releaseMappings({ words, vmas, addon, pageTable }: Machine): void {
  for (let id = 1; id <= vmas.highest; id++) {
    if (words.load(vmas.at(id) + VmaWord.State) !== VmaState.Live) continue
    try {
      addon.unregisterRange(pageTable.uffdOf(id), vmas.addressOf(id), vmas.pagesOf(id) * Page.Size)
    } catch (error) {
      if (!isErrno(error, 'EINVAL') && !isErrno(error, 'ENOMEM')) throw error
    }
  }
}

/** Files that were mapped when their process was killed. Context: the pool is locked by us, nothing of it is open. */
export function dropZeroPages(addon: Addon, { directory }: PoolDirectory): void {
  for (const name of namesWithNotes(addon, directory, MAPPED_DIRECTORY)) {
    try {
      const fd = addon.openBeneath(directory, name, flag(addon.constants, 'O_RDWR'), 0)
      try {
        dropZeroPagesOf(addon, fd, readNote(addon, directory, name))
      } finally {
        addon.closeFd(fd)
      }
    } catch (error) {
      // Whoever may write it later looks then.
      if (isErrno(error, 'EACCES') || isErrno(error, 'EPERM') || isErrno(error, 'EROFS')) continue
      if (!isErrno(error, 'ENOENT')) throw error
    }
    removeNotes(addon, directory, name, [MAPPED_DIRECTORY])
  }
}

function dropZeroPagesOf(addon: Addon, fd: number, noted: readonly NotedRun[]): void {
  const data: NotedRun[] = []
  forEachDataRange(addon, fd, addon.fileStatus(fd).size, (first, end) => data.push({ first, end, written: true }))
  const words = new BigUint64Array((CHUNK_PAGES * Page.Size) / 8)
  for (const run of data.flatMap((range) => partsWithout(range, noted))) {
    for (let first = run.first; first < run.end; first += CHUNK_PAGES) {
      const pages = Math.min(CHUNK_PAGES, run.end - first)
      words.fill(0n)
      checkResult(addon.readFile(fd, addon.addressOf(words), pages * Page.Size, first * Page.Size), 'mount')
      punchZeroPages(addon, fd, first, pages, words)
    }
  }
}

/** words: what the pages hold. Neighbours go by one call. */
function punchZeroPages(addon: Addon, fd: number, first: number, pages: number, words: BigUint64Array): void {
  const { constants: c } = addon
  const mode = flag(c, 'FALLOC_FL_PUNCH_HOLE') | flag(c, 'FALLOC_FL_KEEP_SIZE')
  for (let page = 0; page < pages; page++) {
    const from = page
    while (page < pages && isZero(words, page)) page++
    if (page === from) continue
    checkResult(addon.allocateFile(fd, mode, (first + from) * Page.Size, (page - from) * Page.Size), 'mount')
  }
}

function isZero(words: BigUint64Array, page: number): boolean {
  const perPage = Page.Size / 8
  for (let i = page * perPage; i < (page + 1) * perPage; i++) if (words[i] !== 0n) return false
  return true
}
