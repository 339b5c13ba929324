/** What each thread of a mount waits for and holds, for people who look at one that hangs. */
import { lockPages, rootOf, unlockPages } from '../dax/grab-entry.js'
import { Cursor } from '../tree/cursor.js'
import { describeEntry, isLocked } from '../tree/entry.js'
import { ThreadWord } from '../sync/threads.js'
import type { Machine } from './machine.js'

const LAST_INDEX = 2 ** 32 - 1
const ENTRIES_MAX = 20

/**
 * Context: any thread; what it reads may change meanwhile. Takes the i_pages mutex of each file, and so hangs itself
 * when a thread hangs in a tree operation; who cannot afford that asks from a thread it can lose.
 * Return: a line for each attached thread, and for each locked entry.
 */
export function describeThreads(machine: Machine): string {
  const { threads } = machine
  const lines: string[] = []
  for (let id = 1; id <= threads.highest; id++) if (threads.isAttached(id)) lines.push(describeThread(machine, id))
  return [...lines, ...lockedEntries(machine)].join('\n')
}

function describeThread({ words, threads, self }: Machine, id: number): string {
  const at = threads.at(id)
  const word = (offset: ThreadWord): number => words.load(at + offset)
  const role = id === self ? 'the one that looks' : word(ThreadWord.FaultWorker) === 1 ? 'fault worker' : 'user'
  const facts: string[] = []
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

function lockedEntries(machine: Machine): string[] {
  const { inodes, tree } = machine
  const lines: string[] = []
  const cursor = new Cursor()
  for (let inode = 1; inode <= inodes.capacity && lines.length < ENTRIES_MAX; inode++) {
    if (!inodes.isLive(inode)) continue
    lockPages(machine, inode)
    for (let from = 0; from <= LAST_INDEX && tree.next(rootOf(machine, inode), from, LAST_INDEX, cursor);) {
      from = cursor.after()
      if (!isLocked(cursor.entry) || lines.length >= ENTRIES_MAX) continue
      lines.push(`  inode ${inode}, entry ${cursor.index}: ${describeEntry(cursor.entry)}`)
    }
    unlockPages(machine, inode)
  }
  return lines
}
