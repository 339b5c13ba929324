/** Taking a mount down: by the last close, by the exit of a thread, by the exit of the process. */
import { Page } from '../constants.js'
import { PmemError } from '../errors.js'
import { stopFaultWorkers } from '../fault/fault-pool.js'
import { isThreadAlive } from '../fault/lost-thread.js'
import { HeaderWord, type Machine, MachineState, declareDead, isDead } from '../fault/machine.js'
import { VmaState, VmaWord } from '../mm/vma.js'
import { writeLock, writeUnlock } from '../sync/rw-semaphore.js'
import { getNumber } from '../sync/wide.js'
import { holdLiveInodes, liveInodes, releaseHostSide } from './inode-cache.js'
import { closeStoreTrace } from './store-tracing.js'
import { syncFile } from './sync.js'
import { leaveMedia, releaseMappings } from './zero-copy.js'

/**
 * Give the thread's record back. Return: true for the one thread that has to unmount, since nobody else is attached.
 *
 * The records alone say who is: a count beside them would be wrong for ever after a thread that was terminated between
 * the two. Who finds no other record sets Leaving and looks again; who attaches has a record before it looks at Leaving
 * (machine.ts). So of the two at least one sees the other. Who then finds others opens the mount again, and looks once
 * more, since one of them may have left meanwhile and thought that this thread would unmount.
 */
export function isLastToLeave(machine: Machine): boolean {
  const { words, threads, self } = machine
  threads.release(self)
  words.add(HeaderWord.Users, -1)
  for (;;) {
    words.add(HeaderWord.Users, -reapThreads(machine))
    if (threads.users() > 0 || words.cas(HeaderWord.Leaving, 0, 1) !== 0) return false
    if (threads.users() === 0) return true
    words.store(HeaderWord.Leaving, 0)
    words.notify(HeaderWord.Leaving)
  }
}

/** A thread that was terminated ran no exit hook. What it locked stays locked; else it must not keep the mount. */
function reapThreads(machine: Machine): number {
  return machine.threads.reap(isThreadAlive)
}

/**
 * Nothing of this mount exists afterwards. Mappings are gone already, so no fault can arrive when the workers stop.
 * Return: the error of the final sync, if there was one.
 */
export function unmount(machine: Machine, sync: boolean): PmemError | undefined {
  const { words, addon } = machine
  const isLive = words.load(HeaderWord.State) === MachineState.Live
  const failure = sync && isLive ? finalSync(machine) : undefined
  stopFaultWorkers(machine)
  if (isLive) for (const inode of liveInodes(machine)) leaveMedia(machine, inode)
  words.store(HeaderWord.State, MachineState.Closed)
  dropOrphans(machine)
  // Those as well that a terminated thread was loading or dropping. The shared words need no tidying any more.
  for (let id = 1; id <= machine.inodes.capacity; id++) {
    if (!machine.inodes.isFree(id)) releaseHostSide(machine, id)
  }
  closeStoreTrace(addon, getNumber(words, HeaderWord.StoreLog))
  addon.unmap(getNumber(words, HeaderWord.Zeroes), Page.PmdSize)
  if (words.load(HeaderWord.AsyncUffd) >= 0) addon.closeFd(words.load(HeaderWord.AsyncUffd))
  for (const word of [HeaderWord.Uffd, HeaderWord.StopEvent, HeaderWord.PoolLock, HeaderWord.PoolDirectory] as const) {
    addon.closeFd(words.load(word))
  }
  return failure
}

/** Return: the first error. A mount that dies meanwhile is torn down like one that was dead before. */
function finalSync(machine: Machine): PmemError | undefined {
  let failure: PmemError | undefined
  try {
    writeLock(machine.words, HeaderWord.Freeze)
    for (const inode of liveInodes(machine)) {
      const error = syncFile(machine, inode)
      if (error < 0) failure ??= new PmemError(error, 'close', undefined, machine.inodes.nameOf(inode))
    }
    writeUnlock(machine.words, HeaderWord.Freeze)
  } catch (error) {
    if (!(error instanceof PmemError)) throw error
    failure ??= error
  }
  return failure
}

/** Mappings of threads that were terminated: nobody has their buffers any more. */
function dropOrphans({ words, vmas, addon }: Machine): void {
  for (let id = 1; id <= vmas.highest; id++) {
    if (words.load(vmas.at(id) + VmaWord.State) !== VmaState.Live) continue
    addon.unmap(vmas.addressOf(id), vmas.pagesOf(id) * Page.Size)
  }
}

/**
 * A Worker that mounted exits while others use the mount: the fault workers, its children, go with it. The mount dies
 * as when the handler fails (D11). Caches are cut to nothing first, so that the host kernel answers every access with
 * SIGBUS when nobody else does; then who sleeps in a fault is woken to meet it. The files are held for good: a
 * descriptor that another thread closes meanwhile may be anybody's when it is cut.
 */
export function endService(machine: Machine): void {
  const { words, vmas, media, addon } = machine
  const inodes = holdWhatCanBeHeld(machine)
  declareDead(words, 'the thread that mounted the pool has exited')
  // Media that is mapped itself stays: accesses go on on it, without us (zero-copy.ts).
  const isMapped = machine.handle.config.zeroCopy === true
  if (isMapped) releaseMappings(machine)
  else for (const inode of inodes) media.resizeCache(inode, 0)
  stopFaultWorkers(machine)
  if (isMapped) return
  for (let id = 1; id <= vmas.highest; id++) {
    if (words.load(vmas.at(id) + VmaWord.State) !== VmaState.Live) continue
    addon.wakeRange(machine.pageTable.uffdOf(id), vmas.addressOf(id), vmas.pagesOf(id) * Page.Size)
  }
}

/** Return: all files. Not held when a thread that is gone has locked the table: then nobody closes one either. */
function holdWhatCanBeHeld(machine: Machine): readonly number[] {
  try {
    return holdLiveInodes(machine)
  } catch (error) {
    if (!isDead(machine.words)) throw error
    return liveInodes(machine)
  }
}

/** The main thread exits: see open-mounts.ts. */
export function abandonAll({ words, addon }: Machine): void {
  if (words.cas(HeaderWord.State, MachineState.Live, MachineState.Closed) === MachineState.Closed) return
  addon.signalEvent(words.load(HeaderWord.StopEvent))
  if (words.load(HeaderWord.AsyncUffd) >= 0) addon.closeFd(words.load(HeaderWord.AsyncUffd))
  addon.closeFd(words.load(HeaderWord.Uffd))
}
