/** One measurement of `faultline bench mount`. */
import { join } from 'node:path'
import type { MeasureContext, Measurement } from '../bench.js'
import type { Setting } from '../sweep.js'
import { measureRead } from './read.js'
import { measureStart } from './start.js'

const FILE = 'mount.pm'

/** What both cases are told. */
export interface MountTask {
  /** The pool, and the file in it. */
  readonly directory: string
  readonly file: string
  readonly path: string
  readonly bytes: number
  readonly workers: number
  readonly seed: number
  readonly isOurs: boolean
}

/** Context: a process that does nothing else. */
export function measureMount(setting: Setting, { directory, seed }: MeasureContext): Promise<Measurement> {
  const task: MountTask = {
    directory,
    file: FILE,
    path: join(directory, FILE),
    bytes: (setting['size'] as number) * 2 ** 20,
    workers: setting['workers'] as number,
    seed,
    isOurs: setting['side'] === 'faultline',
  }
  return setting['case'] === 'start' ? measureStart(task) : Promise.resolve(measureRead(task))
}
