/**
 * All system calls against a reference in memory: random sequences of them on a few files and mappings.
 *
 * OPS is how many operations the whole file runs. A failure is shrunk to a short list of operations.
 */
import fc from 'fast-check'
import { join } from 'node:path'
import { hasAsyncTracking } from '../../lib/fs/async-tracking.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { seedFor } from '../support/seed.js'
import { temporaryDirectory, tmpfsDirectory } from '../support/temp.js'
import * as files from './system-calls-files.js'
import * as memory from './system-calls-memory.js'
import { type Kind, type Operation, describeOperation, operations } from './system-calls-operations.js'
import { type Setting, World } from './system-calls-world.js'

const OPERATIONS = Number(process.env['OPS'] ?? 5000)
const SEQUENCE_MAX = 120
const RUNS_AT_ONCE = 10
/** How long a failure is shrunk: each step of that may cost a mount. */
const SHRINK_MS = 20_000
const MEBIBYTE = 2 ** 20
const SMALL = 12 * 4096

const SETTINGS: readonly Setting[] = (['ext4', 'xfs'] as const).flatMap((flavour) => [
  { title: `${flavour}, 4 KiB`, options: { flavour, hugePages: false, capacity: '64MiB' }, span: SMALL, tight: false },
  { title: `${flavour}, 2 MiB`, options: { flavour, capacity: '128MiB' }, span: 5 * MEBIBYTE, tight: false },
  {
    title: `${flavour}, 4 KiB, hardly any space`,
    options: { flavour, hugePages: false, capacity: 16 * 4096 },
    span: SMALL,
    tight: true,
  },
  {
    title: `${flavour}, 2 MiB, hardly any space`,
    options: { flavour, capacity: 5 * MEBIBYTE },
    span: 4 * MEBIBYTE,
    tight: true,
  },
  // Nor on who notices a first store.
  ...(flavour === 'ext4' && hasAsyncTracking() ? [SMALL, 5 * MEBIBYTE] : []).map((span) => ({
    title: `${flavour}, ${span === SMALL ? '4 KiB' : '2 MiB'}, asynchronous dirty tracking`,
    options: { flavour, dirtyTracking: 'async' as const, hugePages: span !== SMALL, capacity: '128MiB' },
    span,
    tight: false,
  })),
  // Nor on whether media and cache are two.
  ...(flavour === 'ext4' ? [SMALL, 5 * MEBIBYTE] : [SMALL]).map((span) => ({
    title: `${flavour}, ${span === SMALL ? '4 KiB' : '2 MiB'}, media mapped itself`,
    options: { flavour, domain: 'eadr' as const, zeroCopy: true, hugePages: span !== SMALL, capacity: '128MiB' },
    span,
    tight: false,
  })),
  // What is faulted in, and read back, may not depend on what keeps faults apart.
  ...(flavour === 'ext4' ? (['range', 'inode'] as const) : []).map((locking) => ({
    title: `${flavour}, 2 MiB, ${locking} locking`,
    options: { flavour, locking, capacity: '128MiB' },
    span: 5 * MEBIBYTE,
    tight: false,
  })),
])

const CALLS: { readonly [K in Kind]: (world: World, it: Extract<Operation, { kind: K }>) => void } = {
  open: files.open,
  close: files.close,
  unlink: files.unlink,
  rename: files.rename,
  truncate: files.truncate,
  fallocate: files.fallocate,
  fsync: files.fsync,
  sync: files.syncAll,
  fence: files.fence,
  read: files.read,
  write: files.write,
  copy: files.copy,
  seek: files.seek,
  crash: files.crash,
  mmap: memory.mmap,
  unmap: memory.unmap,
  munmap: memory.munmap,
  mprotect: memory.mprotect,
  load: memory.load,
  store: memory.store,
  msync: memory.msync,
  flush: memory.flush,
  persist: memory.flush,
  readInto: memory.readInto,
  writeFrom: memory.writeFrom,
  madvise: memory.madvise,
  mremap: memory.mremap,
  mlock: memory.mlock,
  mincore: memory.mincore,
  remount: (world) => world.remount(),
}

/** Files and mappings from the start: a sequence that never opens anything is a waste. */
const BEGINNING: readonly Operation[] = [
  { kind: 'open', name: 'a', create: true, exclusive: false, size: 0, readOnly: false },
  { kind: 'truncate', file: 0, size: 3 * 4096 + 100 },
  {
    kind: 'mmap',
    file: 0,
    sharing: 'shared',
    protection: 'rw',
    sync: false,
    populate: false,
    at: 0,
    length: 4 * 4096,
  },
]

function perform(world: World, operation: Operation): void {
  const call = CALLS[operation.kind] as (world: World, it: Operation) => void
  call(world, operation)
}

/** Sequences on one mount; a failure costs it its mount. */
class Runner {
  done = 0
  #world: World | undefined
  #shrinkUntil = Infinity
  #mounts = 0
  readonly #directory: string

  constructor(readonly setting: Setting) {
    this.#directory = setting.options.zeroCopy === true ? tmpfsDirectory('model') : temporaryDirectory('model')
  }

  /** After a failure this is called for smaller sequences; when time is up, none of them fails any more. */
  run(sequence: readonly Operation[]): void {
    if (performance.now() > this.#shrinkUntil) return
    const world = (this.#world ??= new World(join(this.#directory, String(this.#mounts++)), this.setting))
    let at = -1
    const steps = [...BEGINNING, ...sequence]
    try {
      for (at = 0; at < steps.length; at++) perform(world, steps[at] as Operation)
      world.verify()
      world.clear()
    } catch (error) {
      this.close()
      this.#shrinkUntil = Math.min(this.#shrinkUntil, performance.now() + SHRINK_MS)
      const where = at < steps.length ? `operation ${at - BEGINNING.length + 1}` : 'the end'
      throw new Error(`at ${where}: ${(error as Error).stack ?? String(error)}`, { cause: error })
    }
    this.done += steps.length
  }

  close(): void {
    this.#world?.destroy()
    this.#world = undefined
  }
}

function report(details: fc.RunDetails<[Operation[]]>): void {
  if (!details.failed) return
  const [sequence] = details.counterexample ?? [[]]
  const lines = [...BEGINNING, ...sequence].map(
    (operation, i) => `${String(i - BEGINNING.length + 1).padStart(4)} ${describeOperation(operation)}`,
  )
  const cause = (details.errorInstance as Error | null)?.message ?? ''
  throw new Error(
    `seed ${details.seed}, shrunk ${details.numShrinks} times; 1 is the first operation drawn:\n` +
      `${lines.join('\n')}\n${cause}`,
  )
}

describe('system calls model', function () {
  this.timeout(20000 + OPERATIONS * 40)

  before(function () {
    requireUserfaultfd(this)
  })

  for (const setting of SETTINGS) {
    it(`agrees with a reference: ${setting.title}`, () => {
      const runner = new Runner(setting)
      const seed = seedFor(setting.title)
      const sequences = fc.array(operations(setting.span), { minLength: 1, maxLength: SEQUENCE_MAX, size: 'max' })
      const property = fc.property(sequences, (sequence) => runner.run(sequence))
      try {
        for (let batch = 0; runner.done < OPERATIONS / SETTINGS.length; batch++) {
          report(fc.check(property, { seed: seed + batch, numRuns: RUNS_AT_ONCE }))
        }
      } finally {
        runner.close()
      }
    })
  }
})
