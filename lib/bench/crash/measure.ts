/** One measurement of `faultline bench crash`. */
import { runCampaign } from '../../crash/campaign.js'
import type { CrashTest } from '../../crash/crash-test.js'
import type { EngineName } from '../../crash/engines/index.js'
import { resolveExploreOptions } from '../../crash/explore-options.js'
import type { Region } from '../../crash/region.js'
import { recordRegion } from '../../crash/region-subject.js'
import { Page } from '../../constants.js'
import type { MeasureContext, Measurement } from '../bench.js'
import { fold } from '../fold.js'
import type { Setting } from '../sweep.js'
import { CopyingJudge } from './copying-judge.js'

/** Context: a process that does nothing else. */
export async function measureCrash(setting: Setting, { seed }: MeasureContext): Promise<Measurement> {
  const engine = setting['engine'] as EngineName
  const options = resolveExploreOptions({ engine, seed, maxBad: Infinity, seconds: Infinity })
  const test = flagAndData(setting['lines'] as number, (setting['size'] as number) * 1024)
  const recorded = await recordRegion(test, options)
  const judge = setting['side'] === 'copy' ? new CopyingJudge(recorded.base, test) : recorded.judge
  // Shrinking is for people: it is not what is measured.
  const explore = async (): Promise<Counted> =>
    (await runCampaign({ ...recorded, judge }, { ...options, mayShrink: false })).counts
  // The code is compiled then.
  const { looks, images, bad } = await explore()
  let states = 0
  const start = performance.now()
  do states += (await explore()).looks
  while (performance.now() - start < (setting['time'] as number))
  const milliseconds = performance.now() - start
  return {
    figures: {
      perSecond: (states / milliseconds) * 1000,
      perState: (milliseconds / states) * 1000,
      states: looks,
    },
    hash: fold(fold(fold(0, looks), images), bad) >>> 0,
  }
}

interface Counted {
  readonly looks: number
  readonly images: number
  readonly bad: number
}

/** Data on many lines and a flag under one fence: 2^lines images and more, half of those with the flag bad. */
function flagAndData(lines: number, size: number): CrashTest<Region> {
  return {
    name: 'flag and data',
    size,
    workload(pool) {
      for (let line = 1; line <= lines; line++) pool.store64(line * Page.LineSize, line)
      pool.flush(Page.LineSize, lines * Page.LineSize)
      pool.store64(0, 1)
      pool.flush(0, 8)
      pool.fence()
    },
    check(state) {
      const image = state as Buffer
      if (image[0] === 0) return true
      for (let line = 1; line <= lines; line++) {
        if (image.readBigUInt64LE(line * Page.LineSize) !== BigInt(line)) return false
      }
      return true
    },
  }
}
