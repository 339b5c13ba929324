/** What each thread of a mount waits for and holds, for people who look at one that hangs. */
import { Cursor } from '../tree/cursor.js'
import { describeEntry, isLocked } from '../tree/entry.js'
import { InodeWord } from '../mm/inode.js'
import { mutexTryLock, mutexUnlock } from '../sync/mutex.js'
import { ThreadWord } from '../sync/threads.js'
import { callName } from './call-names.js'
import { HeaderWord, type WatchedMachine } from './machine.js'

const LAST_INDEX = 2 ** 32 - 1
const ENTRIES_MAX = 20

const INODE_LOCKS = [
  ['i_rwsem', InodeWord.Rwsem],
  ['Sync', InodeWord.Sync],
  ['Blocks', InodeWord.Blocks],
  ['i_pages', InodeWord.Pages],
  ['Mmap', InodeWord.Mmap],
  ['Copies', InodeWord.Copies],
] as const

/**
 * Context: any thread, also one with no part in the mount; never sleeps. What it reads may change meanwhile.
 * Return: a line for each attached thread, each lock that is held, and each locked entry.
 */
export function describeThreads(machine: WatchedMachine): string {
  const { threads } = machine
  const lines: string[] = []
  for (let id = 1; id <= threads.highest; id++) if (threads.isAttached(id)) lines.push(describeThread(machine, id))
  return [...lines, ...heldLocks(machine), ...lockedEntries(machine)].join('\n')
}

function describeThread({ words, threads }: WatchedMachine, id: number): string {
  const at = threads.at(id)
  const word = (offset: ThreadWord): number => words.load(at + offset)
  const role = word(ThreadWord.FaultWorker) === 1 ? 'fault worker' : 'user'
  const facts: string[] = []
  if ((word(ThreadWord.Progress) & 1) === 1) facts.push(`inside ${callName(word(ThreadWord.Call))}`)
  if (word(ThreadWord.Wake) === 0 && word(ThreadWord.WaitMapping) !== 0) {
    facts.push(`waits for entry ${word(ThreadWord.WaitIndex) >>> 0} of inode ${word(ThreadWord.WaitMapping)}`)
  }
  if (word(ThreadWord.EntryLocks) !== 0) facts.push('holds an entry lock')
  for (const [how, inode, first, last] of [
    ['shared', ThreadWord.SharedInode, ThreadWord.SharedFirst, ThreadWord.SharedLast],
    ['exclusively', ThreadWord.ExclusiveInode, ThreadWord.ExclusiveFirst, ThreadWord.ExclusiveLast],
  ] as const) {
    if (word(inode) === 0) continue
    facts.push(`holds pages ${word(first) >>> 0} to ${word(last) >>> 0} of inode ${word(inode)} ${how}`)
  }
  const kernelId = word(ThreadWord.KernelId)
  return `  record ${id}, ${role} (kernel thread ${kernelId}): ${facts.join(', ') || 'holds nothing'}`
}

/** Locks that do not know who holds them. */
function heldLocks({ words, inodes }: WatchedMachine): string[] {
  const lines: string[] = []
  const freeze = words.load(HeaderWord.Freeze)
  if (freeze !== 0) lines.push(`  freeze: held ${freeze > 0 ? `by ${freeze} calls` : 'exclusively'}`)
  if (words.load(HeaderWord.Inodes) !== 0) lines.push('  inode table: locked')
  if (words.load(HeaderWord.AddressSpace) !== 0) lines.push('  address space: locked')
  for (let inode = 1; inode <= inodes.capacity; inode++) {
    if (!inodes.isLive(inode)) continue
    const held = INODE_LOCKS.filter(([, word]) => words.load(inodes.at(inode) + word) !== 0).map(([name]) => name)
    if (held.length > 0) lines.push(`  inode ${inode} '${inodes.nameOf(inode)}': ${held.join(', ')} locked`)
  }
  return lines
}

function lockedEntries({ words, inodes, tree }: WatchedMachine): string[] {
  const lines: string[] = []
  const cursor = new Cursor()
  for (let inode = 1; inode <= inodes.capacity && lines.length < ENTRIES_MAX; inode++) {
    const pages = inodes.at(inode) + InodeWord.Pages
    // Who holds it may be the one that hangs; that it is held was said.
    if (!inodes.isLive(inode) || !mutexTryLock(words, pages)) continue
    const root = inodes.at(inode) + InodeWord.TreeRoot
    for (let from = 0; from <= LAST_INDEX && tree.next(root, from, LAST_INDEX, cursor);) {
      from = cursor.after()
      if (!isLocked(cursor.entry) || lines.length >= ENTRIES_MAX) continue
      lines.push(`  inode ${inode}, entry ${cursor.index}: ${describeEntry(cursor.entry)}`)
    }
    mutexUnlock(words, pages)
  }
  return lines
}
