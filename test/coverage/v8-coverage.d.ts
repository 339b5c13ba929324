/** The package has no types of its own. */
declare module '@bcoe/v8-coverage' {
  import type { Profiler } from 'node:inspector'

  export interface ProcessCov {
    readonly result: readonly Profiler.ScriptCoverage[]
  }

  /** What several processes or threads ran, as if it had been one. */
  export function mergeProcessCovs(parts: readonly ProcessCov[]): ProcessCov
}
