/** Nobody can run and not everybody is done: who waits for what, and what to call it. */
import { ThreadWord } from '../../lib/sync/threads.js'
import { InodeWord } from '../../lib/mm/inode.js'
import { NULL_ENTRY, isLocked, describeEntry } from '../../lib/tree/entry.js'
import { type SmallKernel } from '../support/small-kernel.js'
import { Control, ThreadState } from './control.js'
import { nameOfWord, placeOfEntry } from './machine.js'
import type { Violation } from './violation.js'

interface Sleeper {
  readonly thread: number
  /** What it sleeps on, in words. */
  readonly story: string
  /** Why it should have been woken: then its wake-up was lost. */
  readonly overdue: string | undefined
}

/**
 * A deadlock is a circle: everyone waits for something that another sleeper holds. Else somebody sleeps on what nobody
 * holds, and a wake-up was lost. kernel: the machine through plain words.
 */
export function describeStuck(kernel: SmallKernel, control: Int32Array, owners: Int32Array): Violation {
  const sleepers: Sleeper[] = []
  for (let thread = 0; thread < (control[Control.Threads] as number); thread++) {
    if (control[Control.State + thread] === ThreadState.Blocked)
      sleepers.push(describe(kernel, control, owners, thread))
  }
  const lost = sleepers.some(({ overdue }) => overdue !== undefined)
  const stories = sleepers.map(({ thread, story, overdue }) => {
    return `thread ${thread} sleeps on ${story}${overdue === undefined ? '' : `, but ${overdue}`}`
  })
  return { kind: lost ? 'lost wake-up' : 'deadlock', message: `${stories.join('; ')}; nobody else runs` }
}

function describe(kernel: SmallKernel, control: Int32Array, owners: Int32Array, thread: number): Sleeper {
  const { words } = kernel
  const { sizes } = kernel.handle
  const at = control[Control.WaitWord + thread] as number
  const name = nameOfWord(sizes, at)
  const value = words.load(at)
  if (value !== control[Control.Expected + thread]) {
    return { thread, story: name, overdue: `the word is ${value} by now` }
  }
  for (let id = 1; id <= kernel.threads.highest; id++) {
    if (at === kernel.threads.at(id) + ThreadWord.Wake) return describeEntryWait(kernel, owners, thread, id)
  }
  for (let inode = 1; inode <= sizes.files; inode++) {
    const record = kernel.inodes.at(inode)
    // Sequence of the range lock: somebody must hold a range; who is found when it comes to light.
    if (at === record + InodeWord.RangeLock + 2) {
      const held = holdersOfRanges(kernel, inode)
      return {
        thread,
        story: `${name}, held by ${held.join(', ') || 'nobody'}`,
        overdue: held.length > 0 ? undefined : 'no range is held',
      }
    }
    if (at === record + InodeWord.Rwsem || at === record + InodeWord.Rwsem + 1)
      return { thread, story: name, overdue: undefined }
  }
  const owner = (owners[at] as number) - 1
  if (owner < 0) return { thread, story: name, overdue: 'nobody holds it' }
  const gone = control[Control.State + owner] === ThreadState.Finished
  return { thread, story: `${name}, held by thread ${owner}`, overdue: gone ? 'that thread is done' : undefined }
}

/** A sleeper of the wait table: its entry must be locked, by someone who is still there. */
function describeEntryWait(kernel: SmallKernel, owners: Int32Array, thread: number, id: number): Sleeper {
  const { words } = kernel
  const record = kernel.threads.at(id)
  const inode = words.get(record + ThreadWord.WaitMapping)
  const index = words.get(record + ThreadWord.WaitIndex) >>> 0
  const root = kernel.inodes.at(inode) + InodeWord.TreeRoot
  const entry = kernel.tree.load(root, index)
  const story = `entry ${index} of inode ${inode} (${describeEntry(entry)})`
  if (entry === NULL_ENTRY || !isLocked(entry)) return { thread, story, overdue: 'it is not locked' }
  const owner = (owners[placeOfEntry(kernel.handle.sizes)(root, index)] as number) - 1
  return { thread, story: `${story}, held by thread ${owner}`, overdue: undefined }
}

function holdersOfRanges(kernel: SmallKernel, inode: number): string[] {
  const held: string[] = []
  for (let id = 1; id <= kernel.threads.highest; id++) {
    const record = kernel.threads.at(id)
    if (kernel.words.load(record + ThreadWord.SharedInode) === inode) held.push(`record ${id}, shared`)
    if (kernel.words.load(record + ThreadWord.ExclusiveInode) === inode) held.push(`record ${id}, exclusive`)
  }
  return held
}
