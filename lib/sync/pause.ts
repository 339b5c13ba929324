/** Sleeping for a time, on a word of one's own that nobody wakes. */
export class Pause {
  readonly #word = new Int32Array(new SharedArrayBuffer(4))

  /**
   * Stands for a device that takes its time, as a call into the host does: no lock is waited for, so it is no sleep in
   * the sense of "never sleep with an entry lock held" (D4), and none of the assertions about that look at it.
   * Context: any thread, whatever it holds; the CPU is free for others meanwhile.
   */
  microseconds(duration: number): void {
    Atomics.wait(this.#word, 0, 0, duration / 1000)
  }
}
