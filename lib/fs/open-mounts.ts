/**
 * The mounts this thread has open, and how it leaves them when it exits without closing.
 *
 * Nothing is written back then: that is what close is for, and a power failure is what an exit without it means.
 *
 * A Worker leaves as close does, for the others go on (unless it mounted: see endService). When the main thread exits,
 * all threads go, and none may sleep in a fault nobody serves any more, since Node waits for it. So: calls of other
 * threads fail from here on, workers stop, and the userfaultfd is closed, which lets the host kernel answer what is
 * left of their loads and stores.
 */
import { isMainThread } from 'node:worker_threads'
import type { Machine } from '../fault/machine.js'
import { abandonAll } from './unmount.js'

/** What the exit of a thread has to know of a mount. */
export interface OpenMount {
  readonly machine: Machine
  /** The thread exits, others go on. */
  leaveAtExit(): void
  endTrace(): void
}

const openMounts = new Set<OpenMount>()
let exitHookInstalled = false

export function addOpenMount(mount: OpenMount): void {
  openMounts.add(mount)
  if (exitHookInstalled) return
  exitHookInstalled = true
  process.on('exit', leaveAll)
}

export function removeOpenMount(mount: OpenMount): void {
  openMounts.delete(mount)
}

/** This thread's attachments. */
export function mountsHere(): Machine[] {
  return [...openMounts].map(({ machine }) => machine)
}

/** This thread's attachments to the same mount. */
export function openHere({ handle }: Machine): Machine[] {
  return mountsHere().filter((machine) => machine.handle.buffer === handle.buffer)
}

function leaveAll(): void {
  for (const mount of [...openMounts]) {
    if (isMainThread) {
      mount.endTrace()
      abandonAll(mount.machine)
    } else mount.leaveAtExit()
  }
}
