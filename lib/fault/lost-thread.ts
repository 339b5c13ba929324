/**
 * Threads that are gone without a word. Worker.terminate() ends a thread between two steps of JavaScript: what it had
 * locked stays locked, its place in a queue stays taken, and nobody can tell what it was about to write.
 *
 * So the mount dies, as when the fault handler fails (D11): calls are EIO, loads and stores of pages not mapped are
 * SIGBUS, close works, and media has everything that was acknowledged. Not at once, but when somebody has slept for a
 * second and the thread he may be waiting for is found to be gone: one that held nothing does no harm.
 */
import { existsSync } from 'node:fs'
import type { SharedWords } from '../sync/shared-words.js'
import { type Threads, ThreadWord } from '../sync/threads.js'
import { callName } from './call-names.js'

/** Is this kernel thread still one of ours? */
export function isThreadAlive(kernelId: number): boolean {
  return existsSync(`/proc/self/task/${kernelId}`)
}

/** Return: why the mount cannot go on, when a thread of it is gone in the middle of something. */
export function lossOf(words: SharedWords, threads: Threads): string | undefined {
  const lost = threads.lost(isThreadAlive)
  if (lost === 0) return undefined
  const at = threads.at(lost)
  const kernelId = words.load(at + ThreadWord.KernelId)
  if (words.load(at + ThreadWord.FaultWorker) === 1) return `the thread that served page faults (${kernelId}) is gone`
  return `thread ${kernelId} was terminated inside ${callName(words.load(at + ThreadWord.Call))}`
}

/** Fault workers that are gone without having left. */
export function lostWorkers(words: SharedWords, threads: Threads): number {
  let lost = 0
  for (let id = 1; id <= threads.highest; id++) {
    const at = threads.at(id)
    if (!threads.isAttached(id) || words.load(at + ThreadWord.FaultWorker) === 0) continue
    if (!isThreadAlive(words.load(at + ThreadWord.KernelId))) lost++
  }
  return lost
}
