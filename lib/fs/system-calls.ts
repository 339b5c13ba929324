/**
 * The gate every system call of a thread goes through: is the mount usable, and is it not being crashed or closed.
 *
 * A call holds the freeze shared while it runs, so that a power failure falls between calls. Loads and stores are not
 * calls: the power may fail at any of them.
 */
import { PmemError, checkResult } from '../errors.js'
import { callNumber } from '../fault/call-names.js'
import { HeaderWord, type Machine, MachineState, deathReason, isDead } from '../fault/machine.js'
import { StoreRecording } from '../persist/store-trace.js'
import { Counter } from '../stats.js'
import { readLock, readUnlock } from '../sync/rw-semaphore.js'
import { caller } from './caller.js'
import { passDoor } from './time-limit.js'

export class SystemCalls {
  constructor(readonly machine: Machine) {}

  /**
   * Run one call. Context: may sleep while the mount is frozen; must not be nested.
   * Errors: those of requireAlive, and of the call.
   */
  run<Result>(syscall: string, call: (machine: Machine) => Result): Result {
    return this.within(syscall, (machine) => {
      readLock(machine.words, HeaderWord.Freeze)
      try {
        this.requireAlive(syscall)
        return call(machine)
      } finally {
        readUnlock(machine.words, HeaderWord.Freeze)
      }
    })
  }

  /**
   * Do something that takes locks, whatever the state of the mount: others can see that this thread is inside a call.
   * Context: not for what runs code of the user's.
   */
  within<Result>(syscall: string, work: (machine: Machine) => Result): Result {
    const { machine } = this
    passDoor(machine)
    const isOutermost = machine.threads.enter(machine.self, callNumber(syscall))
    try {
      return work(machine)
    } finally {
      if (isOutermost) machine.threads.leave(machine.self)
    }
  }

  /** `within` for giving something back: what a mount that is dead, or dies of it, keeps, unmount takes down. */
  give(syscall: string, work: (machine: Machine) => void): void {
    try {
      this.within(syscall, work)
    } catch (error) {
      if (!isDead(this.machine.words)) throw error
    }
  }

  /** Errors: EIO with the reason when the fault handler failed, EBADF when the mount is closed. */
  requireAlive(syscall: string): void {
    const state = this.machine.words.load(HeaderWord.State)
    if (state === MachineState.Live) return
    if (state === MachineState.Dead) {
      throw new PmemError('EIO', syscall, `the mount is dead: ${deathReason(this.machine.words)}`)
    }
    throw new PmemError('EBADF', syscall, 'the mount is closed')
  }

  /** sfence of the calling thread: what it flushed is durable when it returns. */
  fence(): void {
    this.run('fence', (machine) => {
      machine.addon.storeFence()
      machine.threads.count(machine.self, Counter.Fences, 1)
      checkResult(machine.pending.fence(machine.self), 'fence')
      machine.stores?.fenced(this.here())
    })
  }

  /** Where the program is, for the record of a call: 0 unless a recording asks for it. */
  here(): number {
    const { stores } = this.machine
    return stores === undefined || (stores.recording & StoreRecording.Stacks) === 0 ? 0 : stores.locationOf(caller())
  }
}
