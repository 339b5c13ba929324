/** How each figure of the benchmarks reads, and the bound it is held to. */
import type { FigureCase } from './protocol.js'

export interface FigureInfo {
  readonly key: string
  readonly label: string
  readonly unit: string
  /** The figure should not be above. */
  readonly limit?: number
}

/** TypeScript against C, pinned to one CPU. */
export const FAULT_RATIO_LIMIT = 1.15
/** 16 pages a fault against one: 0.9 µs a page where C takes 7.4. */
export const AROUND_RATIO_LIMIT = 0.122

export const FIGURES: Readonly<Record<FigureCase, readonly FigureInfo[]>> = {
  msync: [
    { key: 'smallMicroseconds', label: 'msync, one dirty page, 1 MiB mapping', unit: 'µs' },
    { key: 'largeMicroseconds', label: 'msync, one dirty page, 1 GiB mapping', unit: 'µs' },
    { key: 'ratio', label: 'large to small', unit: 'x', limit: 2 },
  ],
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
