/**
 * The one seam between kernel code and shared memory.
 *
 * All kernel state of a mount is an array of 32-bit words in one SharedArrayBuffer. Kernel code reaches it only
 * through this port, so that tests can park a thread before each shared-memory step and choose who runs next.
 *
 * Two kinds of access, and the choice is part of each structure's contract:
 *
 *   get / set       plain. Only for words guarded by a lock the caller holds, or owned by the calling thread.
 *   load, store …   sequentially consistent atomics. For lock words, wait words and everything read without a lock.
 */
export interface SharedWords {
  /** Number of words. */
  readonly length: number
  get(at: number): number
  set(at: number, value: number): void
  load(at: number): number
  store(at: number, value: number): void
  exchange(at: number, value: number): number
  /** Compare and swap. Return: the value found; the swap happened when it equals `expected`. */
  cas(at: number, expected: number, desired: number): number
  /** Return: the value before. */
  add(at: number, delta: number): number
  /** Return: the value before. */
  or(at: number, bits: number): number
  /** Return: the value before. */
  and(at: number, bits: number): number
  /**
   * Context: sleeps while the word equals `expected`. Return: false when `timeoutMs` ran out.
   * Errors: throws when the machine these words belong to has halted: the thread that should wake us may be gone.
   */
  wait(at: number, expected: number, timeoutMs?: number): boolean
  /** Wake up to `count` sleepers on the word (default: all). Return: how many were woken. */
  notify(at: number, count?: number): number
}

/** How long a sleeper sleeps before it looks whether the machine has halted. */
const HALT_CHECK_MS = 250
/** After so many of these it looks whether who should wake it is still there. */
const SUSPECT_CHECKS = 4

/** Where the words say that the machine has halted, and the error for those who sleep on it. */
export interface HaltCheck {
  readonly at: number
  readonly value: number
  readonly error: () => Error
  /** Look whether what the sleeper waits for can still happen; if not, set the word. Called about once a second. */
  readonly suspect?: () => void
}

/** The production implementation: Atomics on an Int32Array over a SharedArrayBuffer. */
export class AtomicWords implements SharedWords {
  readonly length: number
  readonly #words: Int32Array
  readonly #halt: HaltCheck | undefined

  constructor(buffer: SharedArrayBuffer, halt?: HaltCheck) {
    this.#words = new Int32Array(buffer)
    this.length = this.#words.length
    this.#halt = halt
  }

  get(at: number): number {
    return this.#words[at] as number
  }

  set(at: number, value: number): void {
    this.#words[at] = value
  }

  load(at: number): number {
    return Atomics.load(this.#words, at)
  }

  store(at: number, value: number): void {
    Atomics.store(this.#words, at, value)
  }

  exchange(at: number, value: number): number {
    return Atomics.exchange(this.#words, at, value)
  }

  cas(at: number, expected: number, desired: number): number {
    return Atomics.compareExchange(this.#words, at, expected, desired)
  }

  add(at: number, delta: number): number {
    return Atomics.add(this.#words, at, delta)
  }

  or(at: number, bits: number): number {
    return Atomics.or(this.#words, at, bits)
  }

  and(at: number, bits: number): number {
    return Atomics.and(this.#words, at, bits)
  }

  wait(at: number, expected: number, timeoutMs = Infinity): boolean {
    for (let left = timeoutMs, checks = 1; ; left -= HALT_CHECK_MS, checks++) {
      if (Atomics.wait(this.#words, at, expected, Math.min(left, HALT_CHECK_MS)) !== 'timed-out') return true
      const halt = this.#halt
      if (checks % SUSPECT_CHECKS === 0) halt?.suspect?.()
      if (halt !== undefined && this.load(halt.at) === halt.value) throw halt.error()
      if (left <= HALT_CHECK_MS) return false
    }
  }

  notify(at: number, count = Infinity): number {
    return Atomics.notify(this.#words, at, count)
  }
}
