/** A number all threads of a workload see at once, for "this is done now". */
import { AtomicWords } from '../sync/shared-words.js'

export class SharedCount {
  readonly #words: AtomicWords

  static make(count = 1): SharedArrayBuffer {
    return new SharedArrayBuffer(count * 4)
  }

  constructor(buffer: SharedArrayBuffer) {
    this.#words = new AtomicWords(buffer)
  }

  load(at = 0): number {
    return this.#words.load(at)
  }

  store(value: number, at = 0): void {
    this.#words.store(at, value)
  }

  add(delta: number, at = 0): number {
    return this.#words.add(at, delta)
  }
}
