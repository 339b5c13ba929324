/**
 * Placement 'colocate': the fault worker and the threads that fault share one CPU, so that a fault is a switch of
 * threads on a warm CPU and never an interrupt to another one. A worker that follows the faulting thread gains nothing:
 * the host wakes the faulting thread on whichever CPU is idle. So both are held.
 */
import type { Addon } from '../binding/addon.js'

export class Colocation {
  readonly #cpu: number[]
  /** Kernel thread id → the CPUs it had before. */
  readonly #held = new Map<number, number[]>()

  /** Context: the fault worker, before its first fault. */
  constructor(private readonly addon: Addon) {
    // Interrupts and other programs prefer the first CPU.
    this.#cpu = addon.getAffinity(0).slice(-1)
    this.hold(addon.threadId())
  }

  /** Hold a thread that faulted, the first time it does. A thread that is gone needs nothing. */
  hold(thread: number): void {
    if (this.#held.has(thread)) return
    this.#held.set(thread, [])
    try {
      this.#held.set(thread, this.addon.getAffinity(thread))
      this.addon.setAffinity(this.#cpu, thread)
    } catch (error) {
      if (!isGone(error)) throw error
    }
  }

  /** Give every thread its CPUs back. */
  release(): void {
    for (const [thread, cpus] of this.#held) {
      try {
        if (cpus.length > 0) this.addon.setAffinity(cpus, thread)
      } catch (error) {
        if (!isGone(error)) throw error
      }
    }
    this.#held.clear()
  }
}

function isGone(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ESRCH'
}
