/**
 * One run of the workload with one operation failing, and everything that must hold around it:
 *
 *   the call that met the error says so        lib/stress/failing/failing-file.ts: attempt
 *   a sync tells it once to each open (K105…)  #askOpens
 *   what calls had acknowledged is there       after the error, after a power failure, after a remount
 *   the kernel's own state is sound            pmem.verify()
 *
 * The workload is the same in every run until the operation that fails.
 */
import { INJECT_OPERATIONS } from '../../lib/inject-rules.js'
import {
  type InjectCount,
  type InjectOperation,
  type InjectRule,
  type MountOptions,
  type Pmem,
  mount,
} from '../../lib/index.js'
import { Prng } from '../../lib/prng.js'
import { FailingFile, type Watch, errorOf } from '../../lib/stress/failing/failing-file.js'
import { Mismatch } from '../../lib/stress/mismatch.js'
import { step } from '../../lib/stress/failing/steps.js'

export interface RunPlan {
  readonly pool: string
  readonly operation: InjectOperation
  readonly error: NonNullable<InjectRule['error']>
  /** Which operation of the kind fails; 0: none. */
  readonly nth: number
  readonly seed: number
  readonly steps: number
  /** Steps after the error, at most. */
  readonly stepsAfter: number
  readonly options?: MountOptions
  /** For tests of this: called with each mount. */
  readonly meddle?: (pmem: Pmem) => void
}

export interface RunResult {
  /** The operation came, and failed. */
  readonly failed: boolean
  /** Operations of each kind, of all mounts. */
  readonly made: Readonly<Record<InjectOperation, number>>
}

const FILES: readonly (readonly [name: string, limit: number])[] = [
  ['small.pm', 48 * 4096],
  // 2 MiB entries, and pages behind them.
  ['large.pm', 2 ** 21 + 2 ** 18],
]
const REMOUNT_CHANCE = 0.006
const OTHERS_CHANCE = 0.02

/** Errors: Mismatch; BugError of verify; whatever a call throws for another reason. */
export function runOnce(plan: RunPlan): RunResult {
  return new Run(plan).run()
}

class Run {
  readonly #plan: RunPlan
  readonly #prng: Prng
  #pmem: Pmem
  #files: FailingFile[]
  /** Of mounts before this one. */
  readonly #made = Object.fromEntries(INJECT_OPERATIONS.map((name) => [name, 0])) as Record<InjectOperation, number>
  #failed = 0
  #stepsLeft: number
  readonly #watch: Watch

  constructor(plan: RunPlan) {
    this.#plan = plan
    this.#prng = new Prng(plan.seed)
    this.#stepsLeft = plan.steps
    this.#watch = {
      begin: () => undefined,
      failures: () => this.#failed + this.#counts().failed,
      // Where 2 MiB cannot be had, 4 KiB may be.
      mayAbsorb: plan.operation === 'allocate' || plan.operation === 'media-read',
      told: (call, file) => this.#afterError(call, file),
    }
    this.#pmem = this.#mount()
    this.#files = FILES.map(([name, limit]) => new FailingFile(this.#pmem, this.#watch, name, limit))
  }

  run(): RunResult {
    for (; this.#stepsLeft > 0; this.#stepsLeft--) {
      if (this.#prng.chance(REMOUNT_CHANCE)) this.#remount()
      else if (this.#prng.chance(OTHERS_CHANCE)) this.#names()
      else step(this.#files[this.#prng.chance(0.75) ? 0 : 1] as FailingFile, this.#prng)
    }
    this.#finish()
    return { failed: this.#failed > 0, made: this.#made }
  }

  #counts(): InjectCount {
    return this.#pmem.injected()[this.#plan.operation]
  }

  #mount(): Pmem {
    const { operation, error, nth, options, pool, meddle } = this.#plan
    const left = nth - this.#made[operation]
    const inject = nth > 0 && left > 0 && this.#failed === 0 ? [{ operation, error, nth: left }] : []
    const pmem = mount(pool, { capacity: '64MiB', faultWorkers: 1, maxPendingLines: 64, ...options, inject })
    meddle?.(pmem)
    return pmem
  }

  /** A file that comes, changes its name, has memory errors, and goes. */
  #names(): void {
    const before = this.#watch.failures()
    const pmem = this.#pmem
    const failure = errorOf(() => {
      using file = pmem.open('passing.pm', { create: true })
      file.write(new Uint8Array(8192).fill(7), 0)
      file.fallocate({ offset: 8192, length: 8192 })
      file.sync()
      pmem.rename('passing.pm', 'renamed.pm')
      pmem.poison('renamed.pm', 0, 4096)
      pmem.clearPoison('renamed.pm', 0, 4096)
      const bytes = new Uint8Array(8192)
      if (file.read(bytes, 0) !== 8192 || bytes[4096] !== 7 || bytes[0] !== 0)
        throw new Mismatch('renamed.pm is not as it was')
      file.sync()
    })
    const hits = this.#watch.failures() - before
    if (failure !== undefined && hits === 0) throw failure
    if (failure === undefined && hits > 0 && !this.#watch.mayAbsorb) throw new Mismatch('passing.pm: nobody was told')
    for (const name of ['passing.pm', 'renamed.pm']) if (pmem.list().includes(name)) pmem.unlink(name)
    if (hits > 0) this.#afterError('another file', undefined)
  }

  /** The error has come: from here on everything works, and nothing that was promised may be missing. */
  #afterError(call: string, file: FailingFile | undefined): void {
    this.#stepsLeft = Math.min(this.#stepsLeft, this.#plan.stepsAfter)
    this.#pmem.verify()
    for (const each of this.#files) each.expectNow(`after ${call} failed`)
    if (this.#plan.nth % 3 === 1) this.#crash(`after ${call} failed`)
    for (const each of this.#files) this.#askOpens(each, each === file ? call : '')
    if (this.#plan.nth % 3 === 2) this.#crash(`after ${call} failed and a sync did not`)
    this.#pmem.verify()
  }

  /** An error of writeback is told once to each open; the one whose sync met it has been told. */
  #askOpens(file: FailingFile, call: string): void {
    const isWriteback = this.#plan.operation === 'media-write'
    file.opens.forEach((open, i) => {
      const failure = errorOf(() => open.sync())
      const told = (i === 0 && (call === 'fsync' || call === 'msync')) || !isWriteback
      if (failure !== undefined && told)
        throw new Mismatch(`${file.name}: open ${i} was told of ${call} twice: ${String(failure)}`)
      const mustTell = isWriteback && i === 1 && (call === 'fsync' || call === 'msync')
      if (failure === undefined && mustTell) throw new Mismatch(`${file.name}: open ${i} was not told of ${call}`)
      const again = failure === undefined ? undefined : errorOf(() => open.sync())
      if (again !== undefined) throw new Mismatch(`${file.name}: open ${i} was told twice: ${String(again)}`)
      file.model.synced()
    })
  }

  #crash(when: string): void {
    this.#pmem.crash({ survive: 'random', seed: this.#plan.nth })
    for (const file of this.#files) file.expectPromised(`in a crash ${when}`)
    this.#pmem.verify()
  }

  #remount(): void {
    const before = this.#watch.failures()
    const failure = errorOf(() => this.#pmem.close())
    const counts = this.#pmem.injected()
    for (const name of INJECT_OPERATIONS) this.#made[name] += counts[name].made
    this.#failed += this.#counts().failed
    // No object of the old mount counts any more.
    const hits = this.#failed - before
    if (failure !== undefined && hits === 0) throw failure
    if (failure === undefined && hits > 0) throw new Mismatch('close met an error and told nobody')
    if (failure === undefined) for (const { model } of this.#files) model.synced()
    this.#pmem = this.#mount()
    this.#files = this.#files.map((file) => new FailingFile(this.#pmem, this.#watch, file.name, file.limit, file))
    for (const file of this.#files) file.expectPromised('after a remount')
  }

  #finish(): void {
    for (const file of this.#files) file.expectNow('at the end')
    this.#pmem.verify()
    this.#remount()
    for (const file of this.#files) file.expectNow('after the last close')
    this.#remount()
    this.#pmem.verify()
    this.#pmem.close()
  }
}
