/** Progress of long work: a bar on a terminal, a line now and then elsewhere. */
import cliProgress from 'cli-progress'

export interface Progress {
  start(total: number): void
  update(value: number): void
  /** Calling it again, or without start, does nothing. */
  stop(): void
}

/** Lines without a terminal: at each quarter. */
const STEPS = 4
const LABEL_COLUMNS = 28

/** label: what is being done. Bars and lines go to stderr, results to stdout. */
export function makeProgress(label: string): Progress {
  return process.stderr.isTTY ? new BarProgress(label) : new LineProgress(label)
}

class BarProgress implements Progress {
  readonly #bar: cliProgress.SingleBar
  #running = false
  /** The cursor comes back however the process ends. */
  readonly #onExit = (): void => this.stop()

  constructor(label: string) {
    this.#bar = new cliProgress.SingleBar(
      { format: `  ${label.padEnd(LABEL_COLUMNS)} {bar} {percentage} %`, barsize: 30, hideCursor: true },
      cliProgress.Presets.shades_classic,
    )
  }

  start(total: number): void {
    this.#running = true
    process.on('exit', this.#onExit)
    this.#bar.start(total, 0)
  }

  update(value: number): void {
    this.#bar.update(value)
  }

  stop(): void {
    if (this.#running) this.#bar.stop()
    this.#running = false
    process.off('exit', this.#onExit)
  }
}

class LineProgress implements Progress {
  readonly #label: string
  #total = 1
  #step = 0

  constructor(label: string) {
    this.#label = label
  }

  start(total: number): void {
    this.#total = total
  }

  update(value: number): void {
    const step = Math.floor((value / this.#total) * STEPS)
    if (step <= this.#step) return
    this.#step = step
    process.stderr.write(`  ${this.#label.padEnd(LABEL_COLUMNS)} ${Math.round((step * 100) / STEPS)} %\n`)
  }

  stop(): void {
    this.#step = STEPS
  }
}
