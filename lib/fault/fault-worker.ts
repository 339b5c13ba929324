/**
 * The fault worker: a thread that reads page faults and has them served.
 *
 * It blocks in native code (poll on the userfaultfd and the stop event), never in JS, and reaches no other thread but
 * through shared words: the main thread may be asleep in the very fault this worker has to serve, so anything that
 * needs its event loop (console, postMessage, a late import) would hang both.
 *
 * When serving throws (D11): the error is written to stderr at once, the mount is dead from then on, and this worker
 * goes on to answer every fault with SIGBUS. Nothing hangs and nothing reads zeroes.
 */
import { writeSync } from 'node:fs'
import { workerData } from 'node:worker_threads'
import { addon } from '../binding/load.js'
import { PAGE_FAULT } from './call-names.js'
import type { FaultTask } from './fault-pool.js'
import { HeaderWord, type Machine, MachineState, markDead, openMachine } from './machine.js'
import { ThreadWord } from '../sync/threads.js'
import { Page } from '../constants.js'
import { Colocation } from './colocation.js'
import { poisonPage } from './poison.js'
import { AddonPort, type FaultPort, MailboxPort } from './fault-port.js'
import { serveBatch, timeBatch } from './serve-batch.js'
import { WatchdogStart } from './watchdog-start.js'

/** How long a worker sleeps before it looks whether its thread was told to terminate. */
const POLL_MILLISECONDS = 250

/** How long a worker looks for the next fault before it sleeps, and how often in a row. */
const SPIN_MICROSECONDS = 50
const SPINS_MAX = 64

class FaultWorker {
  readonly #machine: Machine
  readonly #port: FaultPort
  readonly #uffd: number
  /** Faults of the batch that were read and are not known to be answered. */
  #unanswered = 0
  #spins = 0
  readonly #spinMicroseconds: number
  readonly #colocation: Colocation | undefined
  /** Nobody but us can run: who is woken in the middle of a batch only takes the CPU from the rest of it. */
  readonly #isAlone: boolean
  readonly #watchdog: WatchdogStart

  constructor(machine: Machine, isAsync: boolean) {
    this.#machine = machine
    this.#uffd = machine.words.load(isAsync ? HeaderWord.AsyncUffd : HeaderWord.Uffd)
    const stop = machine.words.load(HeaderWord.StopEvent)
    const { placement, faultBatch, traced } = machine.handle.config
    const Port = traced ? AddonPort : MailboxPort
    this.#port = new Port(machine.addon, this.#uffd, stop, faultBatch)
    machine.pageTable.resolver = this.#port
    this.#spinMicroseconds = placement === 'sleep' ? 0 : SPIN_MICROSECONDS
    this.#colocation = placement === 'colocate' ? new Colocation(machine.addon) : undefined
    this.#isAlone = machine.addon.getAffinity(0).length === 1
    this.#watchdog = new WatchdogStart(machine.handle)
  }

  run(): void {
    const { words, threads, self } = this.#machine
    words.set(threads.at(self) + ThreadWord.FaultWorker, 1)
    words.add(HeaderWord.WorkersReady, 1)
    words.notify(HeaderWord.WorkersReady)
    try {
      this.#serve()
    } catch (error) {
      // The main thread exits, and has closed the userfaultfd under us: see abandonAll.
      if (words.load(HeaderWord.State) === MachineState.Closed) return
      const story = error instanceof Error ? (error.stack ?? error.message) : String(error)
      writeSync(2, `faultline: the page fault handler failed; the mount is unusable from now on\n${story}\n`)
      markDead(words, error instanceof Error ? error.message : String(error))
      this.#failAll()
    } finally {
      this.#colocation?.release()
      threads.release(self)
      words.add(HeaderWord.WorkersGone, 1)
      words.notify(HeaderWord.WorkersGone)
    }
  }

  /** Context: returns when the stop event is signalled. */
  #serve(): void {
    const port = this.#port
    for (let count = 0; ;) {
      const { batch } = port
      const arrived = batch.returned
      const next = this.#next(count)
      if (count > 0) timeBatch(this.#machine, batch, count, port.batch.entered - arrived)
      if (next < 0) return
      count = next
      this.#unanswered = count
      if (this.#machine.words.load(HeaderWord.State) === MachineState.Dead) {
        this.#failAll()
        return
      }
      this.#begin()
      if (this.#colocation !== undefined) for (let i = 0; i < count; i++) this.#colocation.hold(port.batch.thread(i))
      serveBatch(this.#machine, port, count, this.#spinsAt(this.#spins + 1), this.#isAlone)
      this.#machine.threads.leave(this.#machine.self)
      this.#unanswered = 0
      this.#watchdog.end()
    }
  }

  /** From here on somebody waits for us: see who (watchdog.ts). */
  #begin(): void {
    const { words, threads, self } = this.#machine
    words.set(threads.at(self) + ThreadWord.Faulting, this.#port.batch.thread(0))
    threads.enter(self, PAGE_FAULT)
    this.#watchdog.begin()
  }

  /** Answer what was read and what is still to come with SIGBUS, until the mount is closed. */
  #failAll(): void {
    for (let count = this.#unanswered; count >= 0; count = this.#next(0)) this.#failBatch(count)
  }

  #failBatch(count: number): void {
    const { addon: native } = this.#machine
    for (let i = 0; i < count; i++) {
      const address = this.#port.batch.address(i)
      poisonPage(native, this.#uffd, address - (address % Page.Size))
    }
  }

  /**
   * Right after a fault the next one is near: look for it before sleeping, and with the answer already. After a
   * time-out nobody is faulting, and no CPU is burnt. Now and then the stop event is looked at all the same.
   */
  #spinsAt(turn: number): boolean {
    return this.#spinMicroseconds > 0 && turn % SPINS_MAX !== 0
  }

  /** served: how many faults the last read brought. */
  #next(served: number): number {
    const spins = this.#spinsAt(++this.#spins)
    const count = this.#port.next(
      served > 0 && spins ? this.#spinMicroseconds : 0,
      this.#watchdog.pollMs(POLL_MILLISECONDS),
    )
    if (count === 0 && served === 0) this.#watchdog.idle()
    return count
  }
}

const task = workerData as FaultTask
new FaultWorker(openMachine(addon, task.handle), task.isAsync).run()
