/** How far a stress run is: a bar with the current workload on a terminal, a line at each quarter elsewhere. */
import cliProgress from 'cli-progress'
import type { StressProgress } from '../../stress/messages.js'
import { formatCount } from '../format.js'

export interface StressGoal {
  readonly operations: number | undefined
  readonly seconds: number | undefined
}

const QUARTERS = 4

export class StressBar {
  readonly #goal: StressGoal
  readonly #began = performance.now()
  readonly #bar: cliProgress.SingleBar | undefined
  #quarter = 0
  /** The cursor comes back however the process ends. */
  readonly #onExit = (): void => this.stop()

  constructor(goal: StressGoal) {
    this.#goal = goal
    if (!process.stderr.isTTY) return
    const format = '  {workload} {bar} {percentage} %  {operations} operations, {rate}/s, {checks} checks'
    this.#bar = new cliProgress.SingleBar(
      { format, barsize: 24, hideCursor: true, clearOnComplete: true },
      cliProgress.Presets.shades_classic,
    )
    process.on('exit', this.#onExit)
    this.#bar.start(1000, 0, { workload: 'starting '.padEnd(9), operations: '0', rate: '0', checks: '0' })
  }

  update({ workload, counts, checks }: StressProgress): void {
    const operations = counts.flat().reduce((sum, count) => sum + count, 0)
    const seconds = (performance.now() - this.#began) / 1000
    const { operations: most = Infinity, seconds: longest = Infinity } = this.#goal
    const done = Math.min(1, Math.max(operations / most, seconds / longest))
    const rate = formatCount(Math.round(operations / seconds))
    const facts = { operations: formatCount(operations), rate, checks: formatCount(checks) }
    this.#bar?.update(Math.floor(done * 1000), { workload: workload.padEnd(9), ...facts })
    if (this.#bar !== undefined || Math.floor(done * QUARTERS) <= this.#quarter) return
    this.#quarter = Math.floor(done * QUARTERS)
    const percent = Math.round((this.#quarter * 100) / QUARTERS)
    process.stderr.write(`  ${percent} %  ${workload}: ${facts.operations} operations, ${rate}/s\n`)
  }

  /** Calling it again does nothing. */
  stop(): void {
    this.#bar?.stop()
    process.off('exit', this.#onExit)
  }
}
