/** The entry: a test of power failures, run and explored in this process. */
import { requireOneOf } from '../args.js'
import { runCampaign } from './campaign.js'
import { type CrashTest, requireCrashTest } from './crash-test.js'
import { type ExploreOptions, type ResolvedOptions, resolveExploreOptions } from './explore-options.js'
import { withoutExit } from './guard.js'
import type { Pmem } from '../fs/pmem.js'
import { recordLive } from './live/live-subject.js'
import type { Subject } from './subject.js'
import type { Region } from './region.js'
import { recordRegion } from './region-subject.js'
import type { Report } from './report.js'

/**
 * Record `test.workload` on a region of plain memory and look at the images that a power failure can leave of it.
 *
 * A workload that throws, exits or never ends, a recovery that throws, exits or never ends, and a check that says no
 * are in the report. A native crash ends the process: `faultline crash` runs the same tests in a process of their own.
 *
 * Return: the report; hasPassed(report) is the verdict. Errors: TypeError, RangeError for a test or options that are
 * none; JournalError for `resume`; what setup throws.
 */
export async function explore<State>(test: CrashTest<Region, State>, options?: ExploreOptions): Promise<Report> {
  const resolved = resolveExploreOptions(options)
  return exploreSubject(() => recordRegion(test, resolved), resolved)
}

/**
 * The same for a program on a mounted pool: its stores to mappings are traced, and recovery gets each image as media of
 * a pool, mounted, with nothing in caches. Files and mappings that recovery leaves open are closed behind it. What
 * `recover` must return is a state, since there is no image to check.
 *
 * Errors: as explore; those of mount, among them ENOTSUP where stores cannot be traced.
 */
export async function exploreLive<State>(test: CrashTest<Pmem, State>, options?: ExploreOptions): Promise<Report> {
  const resolved = resolveExploreOptions(options)
  return exploreSubject(() => recordLive(test, resolved), resolved)
}

/** A test of the form it says it has. */
export async function exploreAny(test: CrashTest<never>, options?: ExploreOptions): Promise<Report> {
  const resolved = resolveExploreOptions(options)
  return exploreSubject(() => recordAny(test, resolved), resolved)
}

/** Record a run of the form the test says it has. */
export async function recordAny(test: CrashTest<never>, options: ResolvedOptions): Promise<Subject> {
  requireCrashTest(test)
  const form = requireOneOf('form', test.form ?? 'bare', ['bare', 'live'])
  if (form === 'bare') return recordRegion(test as unknown as CrashTest<Region>, options)
  return recordLive(test as unknown as CrashTest<Pmem>, options)
}

async function exploreSubject(record: () => Promise<Subject>, options: ResolvedOptions): Promise<Report> {
  const subject = await withoutExit(record)
  try {
    return await runCampaign(subject, options)
  } finally {
    subject.close()
  }
}
