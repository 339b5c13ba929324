/**
 * Serving what one read of the userfaultfd brought: the body of a fault worker's loop.
 *
 * A worker never sleeps while another fault of its batch could be served: first every fault with try-locks, then, with
 * nothing held, the ones that would have had to sleep (D4). The same page twice in a batch is served once: the answer
 * wakes everyone who waits on the page, and who needs more than it gave faults again.
 */
import { Page } from '../constants.js'
import { Access, WOULD_BLOCK } from '../dax/fault-context.js'
import { isFillIn, isMappedHuge, serveFault } from '../dax/fault.js'
import { Counter, FaultKind } from '../stats.js'
import { AccessMode, ThreadWord } from '../sync/threads.js'
import { Trace } from '../trace/tracepoints.js'
import type { FaultBatch } from './fault-batch.js'
import type { FaultPort } from './fault-port.js'
import type { Machine } from './machine.js'
import { HeaderWord } from './machine.js'

/**
 * readAhead: the answer to the last fault may read the next batch. holdWakes: who waits is woken with the last answer.
 * Context: a fault worker, holding nothing; sleeps while entries are locked or a truncate is running.
 * Errors: whatever a bug throws; the caller declares the mount dead.
 */
export function serveBatch(
  machine: Machine,
  port: FaultPort,
  count: number,
  readAhead: boolean,
  holdWakes: boolean,
): void {
  const { batch } = port
  // While someone listens each fault is served in one go: what was traced of an attempt cannot be taken back.
  const patient = machine.trace.isOn
  let blocked = 0
  for (let i = 0; i < count; i++) {
    const isLast = i === count - 1
    port.readAhead = readAhead && blocked === 0 && isLast
    port.holdWake = holdWakes && !patient && !isLast
    batch.kinds[i] = isRepeated(batch, i) ? FaultKind.Stale : serveOne(machine, port, i, patient)
    if (batch.kinds[i] === WOULD_BLOCK) blocked++
  }
  port.readAhead = false
  port.wakeHeld()
  for (let i = 0; blocked > 0 && i < count; i++) {
    if (batch.kinds[i] !== WOULD_BLOCK) continue
    batch.kinds[i] = serveOne(machine, port, i, true)
    machine.threads.count(machine.self, Counter.FaultsRetried, 1)
    blocked--
  }
  countBatch(machine, batch, count)
}

/** Count the batch by kind. Right after serving it: stats() of a thread that just faulted should know of it. */
function countBatch(machine: Machine, batch: FaultBatch, count: number): void {
  machine.threads.count(machine.self, Counter.FaultBatches, 1)
  for (let i = 0; i < count; i++) machine.threads.count(machine.self, Counter.Faults + (batch.kinds[i] as number), 1)
}

/** Note what the batch took: nanoseconds from its arrival to the next wait, shared out evenly. */
export function timeBatch(machine: Machine, batch: FaultBatch, count: number, elapsed: number): void {
  const share = Math.round(elapsed / count)
  for (let i = 0; i < count; i++) {
    machine.threads.count(machine.self, Counter.FaultNanoseconds + (batch.kinds[i] as number), share)
  }
}

function serveOne(machine: Machine, { batch, uffd }: FaultPort, i: number, maySleep: boolean): number {
  burnFuse(machine)
  const address = batch.address(i)
  const vma = machine.vmas.acquire(address)
  const replaced = vma !== 0 && machine.pageTable.uffdOf(vma) !== uffd
  if (replaced) machine.vmas.unuse(vma)
  if (vma === 0 || replaced) {
    // Unmapped meanwhile. The sleeper must be told, or it sleeps for ever; the host kernel has the last word.
    machine.addon.wakeRange(uffd, address - (address % Page.Size), Page.Size)
    return FaultKind.Stale
  }
  const index = Math.floor((address - machine.vmas.addressOf(vma)) / Page.Size)
  const pgoff = machine.vmas.pgoffOf(vma) + index
  const flags = batch.flags(i)
  const fromUser = machine.trace.isOn ? traceArrival(machine, batch, i, vma) : true
  const kind = serveFault(machine, vma, pgoff, flags, maySleep, fromUser)
  machine.vmas.unuse(vma)
  return kind
}

/**
 * page_fault_user or page_fault_kernel; none for a populate, which is no fault of the
 * CPU. A fill-in is none of the model either: serveFault would not count it.
 * Return: whether user code made the access.
 */
function traceArrival(machine: Machine, batch: FaultBatch, i: number, vma: number): boolean {
  const { words, threads } = machine
  const thread = threads.byKernelId(batch.thread(i))
  const mode = thread === 0 ? AccessMode.User : words.load(threads.at(thread) + ThreadWord.AccessMode)
  const address = batch.address(i)
  let flags = batch.flags(i)
  if (isMappedHuge(machine, address)) flags |= Access.Protected
  if (mode !== AccessMode.Populate && !isFillIn(machine, address, (flags & Access.Write) !== 0)) {
    const event = mode === AccessMode.User ? Trace.PageFaultUser : Trace.PageFaultKernel
    machine.trace.emit(event, thread, machine.vmas.inodeOf(vma), vma, flags, 0, address)
  }
  return mode === AccessMode.User
}

function isRepeated(batch: FaultBatch, i: number): boolean {
  const page = Math.floor(batch.address(i) / Page.Size)
  for (let j = 0; j < i; j++) if (Math.floor(batch.address(j) / Page.Size) === page) return true
  return false
}

/** The failure the mount option inject.faultHandlerThrowsAt asks for. */
function burnFuse(machine: Machine): void {
  if (machine.handle.config.throwAtFault === 0) return
  if (machine.words.add(HeaderWord.FaultFuse, -1) === 1) throw new Error('injected: the fault handler throws')
}
