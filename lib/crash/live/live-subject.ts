/**
 * Record a run on a mounted pool, store by store, and prepare a pool for its images.
 *
 * Sizes and names of files are durable when the call that changes them returns, so they are no part of the search:
 * images have the files as they are after the run, with zeroes where a file was not there before it.
 */
import { closeSync, existsSync, ftruncateSync, mkdirSync, mkdtempSync, openSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { requireFunction } from '../../args.js'
import type { MountOptions } from '../../config.js'
import { mount } from '../../fs/mount.js'
import type { Pmem } from '../../fs/pmem.js'
import type { StoreSink } from '../../persist/store-sink.js'
import { shortLocation } from '../caller-location.js'
import { type CrashTest, requireCrashTest } from '../crash-test.js'
import { type ResolvedOptions, oracleIsOn } from '../explore-options.js'
import { runWorkload } from '../region-subject.js'
import { StoreLog } from '../store-log.js'
import type { Subject } from '../subject.js'
import { copyPool, filesIn } from './copy-pool.js'
import { ImagePool } from './image-pool.js'
import { LiveJudge } from './live-judge.js'

/** Errors: those of mount (ENOTSUP where stores cannot be traced); TypeError; what setup throws. */
export async function recordLive<State>(test: CrashTest<Pmem, State>, options: ResolvedOptions): Promise<Subject> {
  requireCrashTest(test)
  const given: { readonly recover?: unknown } = test
  requireFunction('recover', given.recover)
  const idempotent = oracleIsOn('idempotent', test.idempotent, true)
  if (options.engine === 'guided') {
    throw new RangeError("engine must be one that needs no loads watched for a live test but received 'guided'")
  }
  const scratch = mkdtempSync(join(tmpdir(), 'faultline-crash-'))
  const [run, base, images] = ['run', 'base', 'images'].map((name) => join(scratch, name)) as [string, string, string]
  const remove = (): void => rmSync(scratch, { recursive: true, force: true })
  try {
    mkdirSync(run)
    const before = mount(run)
    try {
      await test.setup?.(before)
    } finally {
      before.close()
    }
    copyPool(run, base)
    const { log, files, workload } = await record(test, run, options)
    matchFiles(run, base)
    const pool = new ImagePool(base, images, (file) => files[file] ?? '')
    const judge = new LiveJudge(test, pool, { idempotent, timeLimit: options.timeLimit })
    const close = (): void => {
      judge.endTurn()
      pool.close()
      remove()
    }
    return { name: test.name ?? '', form: 'live', log, base: pool, judge, workload, atomic: false, close }
  } catch (error) {
    remove()
    throw error
  }
}

interface Recorded {
  readonly log: StoreLog
  readonly files: readonly string[]
  readonly workload: string | undefined
}

async function record<State>(
  test: CrashTest<Pmem, State>,
  run: string,
  { timeLimit, domain }: ResolvedOptions,
): Promise<Recorded> {
  const options: MountOptions = { stores: 'traced', domain }
  const pmem = mount(run, options)
  const log = new StoreLog()
  try {
    const recorder = pmem.recordStores(
      translated(log, (location) => recorder.locations[location] ?? ''),
      { locations: 'stacks' },
    )
    const failure = await runWorkload(() => test.workload(pmem), timeLimit)
    recorder.stop()
    const workload = failure ?? (log.count === 0 ? 'stored nothing, so there is nothing to lose' : undefined)
    return { log, files: recorder.files, workload }
  } finally {
    pmem.close()
  }
}

/** The log has its own numbers for places. */
function translated(log: StoreLog, nameOf: (location: number) => string): StoreSink {
  const place = (location: number): number => (location === 0 ? 0 : log.location(shortLocation(nameOf(location))))
  return {
    store: (thread, file, offset, bytes, nonTemporal, location) =>
      log.store(thread, file, offset, bytes, nonTemporal, place(location)),
    flush: (thread, file, offset, length, location) => log.flush(thread, file, offset, length, place(location)),
    fence: (thread, location) => log.fence(thread, place(location)),
    mark: (thread, label) => log.mark(thread, label),
    acknowledged: (thread, id) => log.acknowledged(thread, id),
  }
}

/** Files that the run made or resized have that size in the base too. */
function matchFiles(run: string, base: string): void {
  for (const name of filesIn(run)) {
    const path = join(base, name)
    const { size } = statSync(join(run, name))
    if (existsSync(path) && statSync(path).size === size) continue
    const file = openSync(path, existsSync(path) ? 'r+' : 'w')
    ftruncateSync(file, size)
    closeSync(file)
  }
}
