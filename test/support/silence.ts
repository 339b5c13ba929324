const TICKS = 20

/** Hears when nothing was heard for so long; while the whole process was stopped nothing could be. */
export class Silence {
  readonly #timer: NodeJS.Timeout
  #ticks = 0

  constructor(limitMs: number, onSilence: () => void) {
    this.#timer = setInterval(() => {
      if (++this.#ticks === TICKS) onSilence()
    }, limitMs / TICKS)
  }

  /** Something was heard. */
  refresh(): void {
    this.#ticks = 0
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}
