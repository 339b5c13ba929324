/** The workloads by name. Each function runs one session, in every thread at once (see stage.ts). */
import type { WorkloadName } from '../operations.js'
import type { Stage } from '../stage.js'
import { collision } from './collision.js'
import { cowRace } from './cow-race.js'
import { failing } from './failing.js'
import { fsx } from './fsx.js'
import { holetest } from './holetest.js'
import { mixed } from './mixed.js'
import { stalePmd } from './stale-pmd.js'

export const WORKLOAD_SESSIONS: Readonly<Record<WorkloadName, (stage: Stage) => void>> = {
  mixed,
  fsx,
  holetest,
  'cow-race': cowRace,
  'stale-pmd': stalePmd,
  collision,
  failing,
}
