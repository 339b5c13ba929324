/**
 * Looking at files without leaving a trace: no fault, no event, no time, no counter, no page brought into the cache.
 *
 * A file is observed from its first open on and under that name, whatever becomes of the name: the inode is held.
 */
import { crc32 } from 'node:zlib'
import { Page } from '../constants.js'
import type { Machine } from '../fault/machine.js'
import { holdInode, putInode } from '../fs/inode-cache.js'
import { seekFile } from '../fs/seek.js'
import { BlockCursor, BlockState } from '../media/block-map.js'
import { InodeFlag, InodeWord } from '../mm/inode.js'
import { mutexLock, mutexUnlock } from '../sync/mutex.js'
import { type ByteRun, type FileState, byteRuns } from './record.js'

/** Of larger files the content is not looked at. */
const CONTENT_BYTES_MAX = 16 * 2 ** 20
const RUNS_MAX = 48
const SECTORS_PER_PAGE = Page.Size / 512

interface Observed {
  readonly path: string
  readonly inode: number
  modified: number
  changed: number
}

export class Observer {
  readonly #machine: Machine
  readonly #files: Observed[] = []

  constructor(machine: Machine) {
    this.#machine = machine
  }

  /** The file was opened under this path. Only the first open of a path counts. */
  add(path: string, inode: number): void {
    if (this.#files.some((file) => file.path === path)) return
    holdInode(this.#machine, inode)
    this.#files.push({ path, inode, modified: this.#modified(inode), changed: this.#changed(inode) })
  }

  /** Return: the state of each file; what changed, since the last observation. */
  observe(): Record<string, FileState> {
    return Object.fromEntries(this.#files.map((file) => [file.path, this.#stateOf(file)]))
  }

  release(): void {
    for (const { inode } of this.#files.splice(0)) putInode(this.#machine, inode)
  }

  #stateOf(file: Observed): FileState {
    const machine = this.#machine
    const { inode } = file
    const modified = this.#modified(inode)
    const changed = this.#changed(inode)
    const size = machine.inodes.sizeOf(inode)
    const ext = extentsOf(machine, inode)
    const state: FileState = {
      size,
      blocks: ext.reduce((pages, [start, end]) => pages + (end - start) / Page.Size, 0) * SECTORS_PER_PAGE,
      ...(machine.inodes.hasFlags(inode, InodeFlag.Unlinked) ? { nlink: 0 } : {}),
      mt: modified === file.modified ? 0 : 1,
      ct: changed === file.changed ? 0 : 1,
      map: seekMap(machine, inode, size),
      ext,
    }
    file.modified = modified
    file.changed = changed
    if (size > CONTENT_BYTES_MAX) return state
    const content = contentOf(machine, inode, size, ext)
    const runs: ByteRun[] = byteRuns(content, 0)
    if (runs.length > RUNS_MAX) state.runs_truncated = true
    state.runs = runs.slice(0, RUNS_MAX)
    state.crc = crc32(content).toString(16).padStart(8, '0')
    return state
  }

  #modified(inode: number): number {
    return this.#machine.inodes.word(inode, InodeWord.ModifiedCount)
  }

  #changed(inode: number): number {
    return this.#modified(inode) + this.#machine.inodes.word(inode, InodeWord.ChangedCount)
  }
}

/** Neighbours in one state are joined. */
function extentsOf(machine: Machine, inode: number): FileState['ext'] {
  const { words, inodes, blocks } = machine
  const at = inodes.at(inode)
  const extents: FileState['ext'] = []
  mutexLock(words, at + InodeWord.Blocks)
  const block = new BlockCursor()
  for (let page = 0; page < 2 ** 32; page += block.pages) {
    if (blocks.lookup(at + InodeWord.BlockRoot, page, block) === BlockState.Hole) continue
    const state = block.state === BlockState.Written ? 'W' : 'U'
    const last = extents.at(-1)
    const end = (page + block.pages) * Page.Size
    if (last?.[1] === page * Page.Size && last[2] === state) last[1] = end
    else extents.push([page * Page.Size, end, state])
  }
  mutexUnlock(words, at + InodeWord.Blocks)
  return extents
}

function seekMap(machine: Machine, inode: number, size: number): FileState['map'] {
  const map: FileState['map'] = []
  for (let at = 0; at < size;) {
    const data = seekFile(machine, inode, at, 'data')
    const hole = seekFile(machine, inode, at, 'hole')
    const isData = data === at
    const end = Math.min(size, isData ? hole : data < 0 ? size : data)
    map.push([isData ? 'D' : 'H', at, end])
    at = end
  }
  return map
}

/** What read() would give: from the cache where it has the page, else from media where there are written blocks. */
function contentOf(machine: Machine, inode: number, size: number, extents: FileState['ext']): Uint8Array {
  const content = new Uint8Array(size)
  if (size === 0) return content
  const { addon, inodes } = machine
  const cache = inodes.number(inode, InodeWord.CacheBase)
  const media = inodes.number(inode, InodeWord.MediaBase)
  const pages = Math.ceil(size / Page.Size)
  const resident = new Uint8Array(pages)
  addon.residentPages(cache, pages * Page.Size, resident)
  const target = addon.addressOf(content)
  const copy = (from: number, start: number, end: number): void => {
    const length = Math.min(size, end) - start
    if (length > 0) addon.copyMemory(target + start, from + start, length)
  }
  for (const [start, end, state] of extents) if (state === 'W') copy(media, start, end)
  for (let page = 0; page < pages; page++) {
    if (resident[page] === 0) continue
    const first = page
    while (page + 1 < pages && resident[page + 1] === 1) page++
    copy(cache, first * Page.Size, (page + 1) * Page.Size)
  }
  return content
}
