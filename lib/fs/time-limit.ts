/**
 * Time limits on code of the program's, as the crash explorer sets them (crash/guard.ts): V8 ends JavaScript between
 * any two steps, and no finally runs. A call ended in the middle would keep what it had locked, and what it was about
 * to change would be half changed.
 *
 *   the door   from the limit on no call begins: the thread stays before it, holding nothing, until it is ended there
 *   grace      the thread is ended so much later, so a call that had begun in time is done by then
 *   a cut      a call that took longer still: its mount dies (D11), as of a thread that was terminated inside a call
 *
 * Context: all of it is about the calling thread.
 */
import { addon } from '../binding/load.js'
import { callName } from '../fault/call-names.js'
import { type Machine, MachineState, HeaderWord, markDead } from '../fault/machine.js'
import { Pause } from '../sync/pause.js'
import { ThreadWord } from '../sync/threads.js'
import { mountsHere } from './open-mounts.js'

/** How long who stays before the door waits for its end: without one, it was nobody's limit any more. */
const WAIT_MS = 10_000
const TURN_US = 100_000

/** By performance.now(): when the door closes. */
let limit = Infinity
const pause = new Pause()
const undone = new Set<() => void>()

/** at: by performance.now(). A door that closes earlier does. Return: for openDoor. */
export function closeDoor(at: number): number {
  const before = limit
  limit = Math.min(before, at)
  return before
}

export function openDoor(before: number): void {
  limit = before
}

/** A call of the thread begins: of a mount, or that of mount itself. Context: may sleep until the thread is ended. */
export function passDoor(machine?: Machine): void {
  if (limit === Infinity || machine?.threads.isInside(machine.self) === true) return
  const end = performance.now() + WAIT_MS
  for (let now = performance.now(); now >= limit && now < end; now = performance.now()) pause.microseconds(TURN_US)
}

/** undo: what must happen if the thread is ended before it calls what is returned. */
export function ifEnded(undo: () => void): () => void {
  undone.add(undo)
  return () => undone.delete(undo)
}

/** The code under the limit was ended. Mounts in whose calls that was are dead from here on. */
export function loseCutCalls(): void {
  addon.dropStores()
  for (const machine of mountsHere()) if (machine.threads.isInside(machine.self)) loseMount(machine)
  for (const undo of undone) undo()
  undone.clear()
}

export function loseMount({ words, threads, self }: Machine): void {
  if (words.load(HeaderWord.State) !== MachineState.Live) return
  const call = callName(words.get(threads.at(self) + ThreadWord.Call))
  markDead(words, `${call} took longer than the time limit on the code that made it, and was ended half-way`)
}
