/** What the benchmark process and its children tell each other. */
import { Page } from '../../lib/constants.js'

/**
 * One kind of page fault; the same names as c_handler's --op, after huge- for those of 2 MiB. minor-around: minor with
 * faultAround, against C that maps page by page.
 */
export const FAULT_CASES = [
  'read',
  'hole-read',
  'write',
  'mkwrite',
  'minor',
  'huge-read',
  'huge-hole-read',
  'huge-write',
  'minor-around',
] as const
export type FaultCase = (typeof FAULT_CASES)[number]

/** What only the TypeScript side has. */
export const FIGURE_CASES = ['msync', 'sparse', 'state', 'stores'] as const
export type FigureCase = (typeof FIGURE_CASES)[number]

export type CaseName = FaultCase | FigureCase

/** How much a child does. */
export interface Scale {
  /** Faults before the clock starts: compiled code, warm caches. */
  readonly warm: number
  /** Pages measured. */
  readonly pages: number
  /** msync calls measured on each of the two mappings. */
  readonly syncs: number
}

export interface ChildRequest extends Scale {
  readonly name: CaseName
  /** Pool directory; holds DATA_FILE and HOLE_FILE of `warm + pages` pages. */
  readonly pool: string
  readonly seed: number
}

/** What one measured run of faults says, on either side. */
export interface FaultRun {
  readonly op: string
  readonly pages: number
  readonly nsPerFault: number
  /** Folded over the first word of each measured page: equal work, equal hash. */
  readonly hash: number
}

/** Named measurements of one child: units are in figures.ts. */
export type FigureRun = Readonly<Record<string, number>>

/** What minor-around is mounted with. */
export const FAULT_AROUND = 16

export const DATA_FILE = 'data.pm'
export const HOLE_FILE = 'hole.pm'

/** c_handler's --op. */
export function operationOf(name: FaultCase): string {
  return name.replace('huge-', '').replace('-around', '')
}

/** Pages that one fault of the TypeScript side maps. */
export function pagesPerFault(name: CaseName): number {
  if (isHugeCase(name)) return Page.PmdPages
  return name === 'minor-around' ? FAULT_AROUND : 1
}

export function isHugeCase(name: CaseName): boolean {
  return name.startsWith('huge-')
}

export function isFaultCase(name: CaseName): name is FaultCase {
  return (FAULT_CASES as readonly string[]).includes(name)
}
