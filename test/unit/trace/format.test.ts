import { expect } from 'chai'
import { PLAIN_NAMING, formatRecord } from '../../../lib/trace/format.js'
import { FaultResult, TRACE_NAMES, Trace, TraceFault } from '../../../lib/trace/tracepoints.js'
import type { TraceRecord } from '../../../lib/trace/trace-ring.js'

function record(event: Trace, fields: Partial<TraceRecord> = {}): TraceRecord {
  const base = { sequence: 0, thread: 1, inode: 1, mapping: 1, flags: 0, result: 0, extra: 0 }
  return { ...base, event, numbers: [0, 0, 0, 0], ...fields }
}

function text(event: Trace, fields: Partial<TraceRecord> = {}): string {
  return formatRecord(record(event, fields), PLAIN_NAMING)
}

describe('trace/format', () => {
  it('writes faults as the kernel does', () => {
    const flags = TraceFault.Write | TraceFault.Mkwrite | TraceFault.Shared
    const numbers = [0x5000, 0x4000, 0x8000, 3] as const
    expect(text(Trace.PageFaultUser, { flags, numbers })).to.equal('page_fault_user 0x5000 WRITE|PRESENT')
    expect(text(Trace.PteFaultDone, { flags, numbers, result: FaultResult.Major | FaultResult.NoPage })).to.equal(
      'dax_pte_fault_done: shared WRITE|MKWRITE address 0x5000 pgoff 0x3 MAJOR|NOPAGE',
    )
    expect(text(Trace.PmdFaultDone, { flags, numbers, extra: 16, result: FaultResult.Fallback })).to.equal(
      'dax_pmd_fault_done: shared WRITE address 0x5000 vm_start 0x4000 vm_end 0x8000 pgoff 0x3 max_pgoff 0x10 FALLBACK',
    )
    expect(text(Trace.LoadHole, { numbers, result: FaultResult.NoPage })).to.equal(
      'dax_load_hole: private READ address 0x5000 pgoff 0x3 NOPAGE',
    )
  })

  it('writes the end of all files as the kernel does', () => {
    for (const end of [2 ** 63, -(2 ** 63)]) {
      expect(text(Trace.LayoutBusyPageRange, { numbers: [0, end, 0, 0] })).to.equal(
        'dax_layout_busy_page_range: start=0 end=9223372036854775807',
      )
    }
    expect(text(Trace.TruncateInodePages, { numbers: [100, -1, 0, 0] })).to.equal(
      'truncate_inode_pages_range: lstart=100 lend=-1',
    )
  })

  it('has a form for every event, beginning with its name', () => {
    TRACE_NAMES.forEach((name, event) => {
      const of = event as unknown as Trace
      expect(text(of)).to.match(new RegExp(`^${name}[: ]`))
    })
  })
})
