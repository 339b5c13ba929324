/** Adding up what the threads counted. */
import { Page } from '../constants.js'
import type { Machine } from '../fault/machine.js'
import { VmaState, VmaWord } from '../mm/vma.js'
import { Counter, FAULT_KINDS, type FaultName, type FaultStats, type MountStats } from '../stats.js'
import { liveInodes } from './inode-cache.js'

const EXTENT_BYTES = 32
const OWNER_BYTES = 8

/** Context: no lock; counters go on changing while they are read. */
export function collectStats(machine: Machine): MountStats {
  const { threads, pfns, extentPool, nodePool } = machine
  const total = (counter: Counter): number => threads.total(counter)
  const free = pfns.freePages * Page.Size
  const capacity = pfns.capacityPages * Page.Size
  const nodeBytes = nodePool.format.size * 4
  const allocated = pfns.capacityPages - pfns.freePages - pfns.reservedPages
  return {
    locking: machine.locking.name,
    faults: faultStats(machine),
    majorFaults: total(Counter.MajorFaults),
    minorFaults: total(Counter.MinorFaults),
    faultBatches: total(Counter.FaultBatches),
    faultsRetried: total(Counter.FaultsRetried),
    lockedEntries: total(Counter.LockedEntries),
    rangeConflicts: total(Counter.RangeConflicts),
    hugeConflicts: total(Counter.HugeConflicts),
    pagesWritten: total(Counter.PagesWritten),
    linesWritten: total(Counter.LinesWritten),
    lineRuns: total(Counter.LineRuns),
    linesFlushed: total(Counter.LinesFlushed),
    cleanFlushes: total(Counter.CleanFlushes),
    linesFenced: total(Counter.LinesFenced),
    linesEvicted: total(Counter.LinesEvicted),
    fences: total(Counter.Fences),
    syncs: total(Counter.Syncs),
    bytesRead: total(Counter.BytesRead),
    bytesWritten: total(Counter.BytesWritten),
    mappings: total(Counter.Mappings),
    crashes: total(Counter.Crashes),
    capacity,
    free,
    memory: {
      treeNodes: nodePool.inUse,
      extents: extentPool.inUse,
      threads: attachedThreads(machine),
      inodes: liveInodes(machine).length,
      liveMappings: liveMappings(machine),
      stateBytes: nodePool.inUse * nodeBytes + extentPool.inUse * EXTENT_BYTES + allocated * OWNER_BYTES,
    },
  }
}

function faultStats(machine: Machine): Record<FaultName, FaultStats> {
  const entries = FAULT_KINDS.map((name, kind): [FaultName, FaultStats] => {
    const count = machine.threads.total(Counter.Faults + kind)
    const nanoseconds = machine.threads.total(Counter.FaultNanoseconds + kind)
    return [name, { count, meanMicroseconds: count === 0 ? 0 : nanoseconds / count / 1000 }]
  })
  return Object.fromEntries(entries) as Record<FaultName, FaultStats>
}

function attachedThreads(machine: Machine): number {
  let attached = 0
  for (let id = 1; id <= machine.threads.highest; id++) if (machine.threads.isAttached(id)) attached++
  return attached
}

function liveMappings(machine: Machine): number {
  let live = 0
  for (let id = 1; id <= machine.vmas.highest; id++) {
    if (machine.words.load(machine.vmas.at(id) + VmaWord.State) === VmaState.Live) live++
  }
  return live
}
