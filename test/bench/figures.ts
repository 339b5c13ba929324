/** The cases of `npm run bench:figures`: how each figure reads, and the bound it is held to. */
export const FIGURE_CASES = ['sparse', 'state', 'stores'] as const
export type FigureCase = (typeof FIGURE_CASES)[number]

export interface FigureRequest {
  readonly name: FigureCase
  /** Empty, for pools. */
  readonly pool: string
  /** Of state. */
  readonly pages: number
  /** Of stores. */
  readonly turns: number
  readonly seed: number
}

/** Named measurements of one process: units are below. */
export type FigureRun = Readonly<Record<string, number>>

export interface FigureInfo {
  readonly key: string
  readonly label: string
  readonly unit: string
  /** The figure should not be above. */
  readonly limit?: number
}

export const FIGURES: Readonly<Record<FigureCase, readonly FigureInfo[]>> = {
  sparse: [
    { key: 'openMs', label: 'open a new sparse file of 1 TiB', unit: 'ms' },
    { key: 'windowsMs', label: 'map 32 windows anywhere in it, load and store', unit: 'ms' },
    { key: 'totalMs', label: 'both', unit: 'ms', limit: 500 },
  ],
  state: [{ key: 'bytesPerPage', label: 'kernel state for each page touched', unit: 'bytes', limit: 16 }],
  stores: [
    { key: 'plainNanoseconds', label: 'store of 8 bytes, not traced', unit: 'ns' },
    { key: 'tracedMicroseconds', label: 'the same, traced and recorded', unit: 'µs' },
    { key: 'ratio', label: 'traced to not traced, bare store', unit: 'x' },
    { key: 'atomicMicroseconds', label: 'Atomics.add, traced and recorded', unit: 'µs' },
    { key: 'lineMicroseconds', label: 'fill of 4 KiB, traced, for each line', unit: 'µs' },
    { key: 'plainPersistMicroseconds', label: 'store, flush, fence, not traced', unit: 'µs' },
    { key: 'tracedPersistMicroseconds', label: 'the same, traced and recorded', unit: 'µs' },
    { key: 'persistRatio', label: 'traced to not traced, made durable', unit: 'x' },
    { key: 'drainMicroseconds', label: 'drain, for each record', unit: 'µs' },
  ],
}
