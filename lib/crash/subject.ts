/** A run that was recorded, and who judges its images: what a campaign explores. */
import type { Judge } from './judge.js'
import type { Report } from './report.js'
import type { StoreLog } from './store-log.js'
import type { BaseImage } from './timeline.js'

export interface Subject {
  readonly name: string
  readonly form: Report['form']
  readonly log: StoreLog
  readonly base: BaseImage
  readonly judge: Judge
  /** How the run failed by itself: 'threw: …'; undefined: it did not. */
  readonly workload: string | undefined
  /** Compare states before and after operations. */
  readonly atomic: boolean
  close(): void
}
