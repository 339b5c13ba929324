/**
 * What a benchmark is: data about its parameters and figures, and a function that measures one setting.
 *
 * `faultline bench NAME` does the rest: every combination of the parameters' values, each measurement in a process of
 * its own, the settings by turns, medians, a table, a chart. A new one is a file here and a line in benches.ts.
 */
import type { SettingResult } from './run-bench.js'
import type { Parameter, Setting } from './sweep.js'

export interface Figure {
  readonly key: string
  readonly label: string
  readonly unit: string
  readonly digits: number
  /** Tables leave its spread out. Default false. */
  readonly isTerse?: boolean
  /** What it should not exceed; undefined: nothing is promised. */
  readonly limit?: (setting: Setting) => number | undefined
}

/** What one process says. */
export interface Measurement {
  readonly figures: Readonly<Record<string, number>>
  /** Folded over the work done. */
  readonly hash: number
  /** Of latencies: histogram.ts. */
  readonly histogram?: readonly number[]
}

export interface MeasureContext {
  /** Empty, for pools; removed afterwards. */
  readonly directory: string
  readonly seed: number
}

/** The setting of `compares` that the others are held against, round by round: a C program, as a rule. */
export interface Reference {
  /** Value of the parameter `compares`. */
  readonly value: string
  /** Key of the figure whose ratio to that of the reference is shown. */
  readonly figure: string
  /** Ratio that should not be exceeded; undefined: none is promised. */
  limit?(setting: Setting): number | undefined
}

export interface Bench {
  readonly name: string
  readonly summary: string
  readonly description: string
  readonly parameters: readonly Parameter[]
  readonly figures: readonly Figure[]
  /** Settings that differ in this parameter only must have done the same work: their hashes are compared. */
  readonly compares: string
  readonly reference?: Reference
  /** Parameters go together: settings for which this is false are left out. */
  isPossible?(setting: Setting): boolean
  /** All threads of the measuring process on one CPU, V8's helpers too. */
  isPinned?(setting: Setting): boolean
  /** Context: a process that does nothing else. */
  measure(setting: Setting, context: MeasureContext): Promise<Measurement>
  /**
   * A Vega-Lite specification without data. Rows are settings with their figures, and KEY_min,
   * KEY_max of each. The data set 'latencies' has a row for each bucket of a histogram: setting, microseconds, percent.
   */
  readonly chart: (results: readonly SettingResult[]) => object
}
