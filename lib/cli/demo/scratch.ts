/** The temporary directory of the demo. It is gone afterwards however the demo ends, SIGKILL of the demo excepted. */
import type { ChildProcess } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { signalStatus } from '../failure.js'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

export class Scratch implements Disposable {
  readonly path: string
  readonly #keep: boolean
  #child: ChildProcess | undefined
  #disposed = false
  readonly #onExit = (): void => this[Symbol.dispose]()
  readonly #onSignal = (signal: NodeJS.Signals): void => {
    // Exit handlers do the tidying.
    process.exit(signalStatus(signal))
  }

  /** keep: leave the directory where it is. Errors: of the host when it cannot be made. */
  constructor(keep: boolean) {
    this.#keep = keep
    this.path = mkdtempSync(join(tmpdir(), 'faultline-demo-'))
    process.on('exit', this.#onExit)
    for (const signal of SIGNALS) process.on(signal, this.#onSignal)
  }

  /** A new directory below. */
  directory(name: string): string {
    const path = join(this.path, name)
    mkdirSync(path)
    return path
  }

  /** This process writes into the directory: it is killed before the directory is removed. */
  watch(child: ChildProcess): void {
    this.#child = child
  }

  [Symbol.dispose](): void {
    if (this.#disposed) return
    this.#disposed = true
    process.off('exit', this.#onExit)
    for (const signal of SIGNALS) process.off(signal, this.#onSignal)
    this.#child?.kill('SIGKILL')
    // A process just killed may make one more file while the directory is emptied: then once more.
    if (!this.#keep) rmSync(this.path, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 })
  }
}
