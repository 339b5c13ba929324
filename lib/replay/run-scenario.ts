/** One scenario, in a fresh pool and mount: operations in, records out. */
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Page } from '../constants.js'
import type { FlavourName } from '../dax/flavour.js'
import { settle } from '../fault/settle.js'
import { putInode } from '../fs/inode-cache.js'
import { mount } from '../fs/mount.js'
import { vmMunmap } from '../fs/vm/map.js'
import { Counter } from '../stats.js'
import { formatRecord } from '../trace/format.js'
import * as file from './file-operations.js'
import * as memory from './memory-operations.js'
import type { OperationName } from './operations.js'
import type { OperationRecord, Outcome } from './record.js'
import type { Operation, Scenario } from './scenario.js'
import { Session, numberOf } from './session.js'

/** The device of the reference machine. */
const CAPACITY = '512MiB'
/** Events of one operation: a store to each page of 64 MiB still fits. */
const TRACE_RECORDS = 2 ** 18

const HANDLERS: Readonly<Record<OperationName, file.Handler>> = {
  open: file.open,
  close: file.close,
  fsync: file.fsync,
  fdatasync: file.fsync,
  unlink: file.unlink,
  rename: file.rename,
  ftruncate: file.ftruncate,
  fallocate: file.fallocate,
  mmap: memory.mmap,
  munmap: memory.munmap,
  load: memory.load,
  store: memory.store,
  msync: memory.msync,
  mprotect: memory.mprotect,
  mlock: memory.mlock,
  munlock: memory.munlock,
  madvise: memory.madvise,
  mremap: memory.mremap,
  mincore: memory.mincore,
  pagemap: memory.pagemap,
  pread: file.pread,
  pwrite: file.pwrite,
  read_into: file.readInto,
  write_from: file.writeFrom,
  seek: file.seek,
  statx: file.statx,
  copy_range: file.copyRange,
  clone: file.clone,
  sync: file.sync,
  drop_caches: file.sync,
  fillfs: file.fillfs,
  freefill: file.freefill,
}

/** They concern the whole file system, and other files than the scenario's: their events and faults are left out. */
const GLOBAL: ReadonlySet<OperationName> = new Set(['sync', 'drop_caches', 'fillfs', 'freefill'])

/**
 * directory: where the pool is made; it is gone afterwards. emit: called with each record as soon as there is one.
 * Context: sleeps in faults, so the fault workers must not need this thread's event loop (they never do).
 * Errors: of mount; ScenarioError; bugs.
 */
export function runScenario(
  scenario: Scenario,
  flavour: FlavourName,
  directory: string,
  emit: (record: OperationRecord) => void,
): void {
  const pool = join(directory, `pool-${process.pid}`)
  mkdirSync(pool)
  try {
    // One worker: the scenario is one thread, and events stay in order.
    const pmem = mount(pool, { capacity: CAPACITY, faultWorkers: 1, flavour, maxTraceRecords: TRACE_RECORDS })
    try {
      const session = new Session(pmem)
      session.machine.trace.listen(1)
      scenario.ops.forEach((operation, index) => {
        emit(runOperation(session, scenario, operation, index))
      })
      closeAll(session)
    } finally {
      pmem.close()
    }
  } finally {
    rmSync(pool, { recursive: true, force: true })
  }
}

function runOperation(session: Session, scenario: Scenario, operation: Operation, index: number): OperationRecord {
  const { machine, maps } = session
  const { op, args } = operation
  const start = machine.trace.written
  const minor = minorFaults(session)
  const major = machine.threads.total(Counter.MajorFaults)
  maps.setAlias(undefined)
  const outcome: Outcome = HANDLERS[op](session, operation)
  settle(machine)
  const { records, lost } = machine.trace.read(start)
  const isGlobal = GLOBAL.has(op)
  const ev = isGlobal ? [] : records.map((record) => formatRecord(record, maps))
  if (lost > 0 && !isGlobal) ev.push(`(${lost} earlier events were lost)`)
  const counts = !isGlobal && op !== 'pagemap' && numberOf(operation, 'child') === 0
  const flt: [number, number] = [minorFaults(session) - minor, machine.threads.total(Counter.MajorFaults) - major]
  return {
    fs: `faultline-${machine.flavour.name}`,
    s: scenario.name,
    i: index,
    op,
    a: args,
    ...outcome,
    ...(counts ? { flt } : {}),
    ev,
    ...(operation.numbers['obs'] === 0 ? {} : { st: session.observer.observe() }),
  }
}

function minorFaults(session: Session): number {
  return session.machine.threads.total(Counter.MinorFaults) + session.extraMinorFaults
}

/** What the scenario left open, mappings first: nothing may fault any more when the workers stop. */
function closeAll(session: Session): void {
  const { machine } = session
  const { vmas } = machine
  session.call('exit', () => {
    for (let id = 1; id <= vmas.highest; id++) {
      if (!vmas.isLive(id)) continue
      vmMunmap(machine, vmas.addressOf(id), vmas.pagesOf(id) * Page.Size)
    }
    for (const { inode } of session.files.values()) putInode(machine, inode)
    if (session.filler !== 0) putInode(machine, session.filler)
    session.observer.release()
  })
}
