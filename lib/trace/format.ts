/**
 * Trace records as text, in the form the kernel's own tracepoints have (include/trace/events/fs_dax.h), so that a trace
 * of ours and one of a real machine can be laid side by side.
 *
 * What the numbers of a record mean:
 *
 *   page_fault_*                        the address, to the byte
 *   dax_pmd_*, dax_pte_*, dax_load_hole,
 *   dax_insert_pfn_mkwrite              address of the page, start and end of the mapping, page in the file; extra:
 *                                       pages of the file
 *   dax_finish_sync_fault               order
 *   dax_writeback_range                 first and last page; _done: where the scan ended, last page
 *   dax_writeback_one                   first page, pages
 *   dax_delete_…, dax_invalidate_…      page
 *   dax_layout_busy_page_range          first and last byte
 *   unmap_mapping_pages                 first page, pages (0: to the end of the file)
 *   truncate_inode_pages_range          first and last byte (-1: to the end)
 *   invalidate_inode_pages2_range       first and last page
 *   dax_zero_range                      first byte, length
 *   memory_failure_event                page frame number; result: FailureResult
 */
import { FailureResult, FaultResult, TRACE_NAMES, Trace, TraceFault } from './tracepoints.js'
import type { TraceRecord } from './trace-ring.js'

/** What only the reader of a trace knows. */
export interface TraceNaming {
  /** An address as text: in numbers, or as a place in a mapping with a name. */
  address(address: number): string
  /** In place of the address of the huge zero page, which is the kernel's secret. */
  readonly zeroFolio: string
}

/** Addresses in hexadecimal, nothing named. */
export const PLAIN_NAMING: TraceNaming = {
  address: (address) => `0x${address.toString(16)}`,
  zeroFolio: '*',
}

/** In the kernel's order of bits. */
const RESULTS: readonly (readonly [FaultResult, string])[] = [
  [FaultResult.Sigbus, 'SIGBUS'],
  [FaultResult.Major, 'MAJOR'],
  [FaultResult.HwPoison, 'HWPOISON'],
  [FaultResult.NoPage, 'NOPAGE'],
  [FaultResult.Fallback, 'FALLBACK'],
  [FaultResult.DoneCow, 'DONE_COW'],
  [FaultResult.NeedDsync, 'NEEDDSYNC'],
]

/** LLONG_MAX, which a number cannot hold: what rounds to it comes back from the ring with either sign. */
const LLONG_MAX = '9223372036854775807'

/** Return: one line, without a line end. */
export function formatRecord(record: TraceRecord, naming: TraceNaming): string {
  const { event, numbers } = record
  const name = TRACE_NAMES[event]
  const [a, b] = numbers
  switch (event) {
    case Trace.PageFaultUser:
    case Trace.PageFaultKernel:
      return `${name} ${naming.address(a)} ${formatAccess(record, 'PRESENT')}`
    case Trace.FileUpdateTime:
      return `${name}:`
    case Trace.PmdLoadHole:
      return `${name}: ${sharing(record)} address ${naming.address(a)} zero_folio ${naming.zeroFolio} radix_entry -PZ-`
    case Trace.PmdFault:
    case Trace.PmdFaultDone:
      return `${name}: ${formatHugeFault(record, naming)}${formatResult(record)}`
    case Trace.PteFault:
    case Trace.PteFaultDone:
    case Trace.LoadHole:
    case Trace.InsertPfnMkwrite:
      return `${name}: ${formatFault(record, naming)}${formatResult(record)}`
    case Trace.FinishSyncFault:
      return `${name}: order=${a}`
    case Trace.WritebackRange:
    case Trace.WritebackRangeDone:
      return `${name}: pgoff ${hex(a)}-${hex(b)}`
    case Trace.WritebackOne:
      return `${name}: pgoff ${hex(a)} pglen ${hex(b)}`
    case Trace.DeleteMappingEntry:
    case Trace.InvalidateMappingEntry:
      return `${name}: index=${a}`
    case Trace.LayoutBusyPageRange:
      return `${name}: start=${formatByte(a)} end=${formatByte(b)}`
    case Trace.UnmapMappingPages:
      return `${name}: start=${a} nr=${b} even_cows=0`
    case Trace.TruncateInodePages:
      return `${name}: lstart=${formatByte(a)} lend=${formatByte(b)}`
    case Trace.InvalidateInodePages2:
      return `${name}: start=${a} end=${b}`
    case Trace.ZeroRange:
      return `${name}: pos=${formatByte(a)} len=${formatByte(b)}`
    case Trace.MemoryFailure:
      return `${name}: pfn ${hex(a)}: recovery action for dax page: ${formatFailure(record)}`
    default:
      return `${name}: ${numbers.join(' ')}`
  }
}

function formatFault(record: TraceRecord, naming: TraceNaming): string {
  const [address, , , pgoff] = record.numbers
  const access = formatAccess(record, 'MKWRITE')
  return `${sharing(record)} ${access} address ${naming.address(address)} pgoff ${hex(pgoff)}`
}

/** A 2 MiB fault knows no MKWRITE. */
function formatHugeFault(record: TraceRecord, naming: TraceNaming): string {
  const [address, start, end, pgoff] = record.numbers
  const access = (record.flags & TraceFault.Write) !== 0 ? 'WRITE' : 'READ'
  const range = `vm_start ${naming.address(start)} vm_end ${naming.address(end)}`
  const place = `address ${naming.address(address)} ${range}`
  return `${sharing(record)} ${access} ${place} pgoff ${hex(pgoff)} max_pgoff ${hex(record.extra)}`
}

function formatAccess(record: TraceRecord, protectedName: string): string {
  const access = (record.flags & TraceFault.Write) !== 0 ? 'WRITE' : 'READ'
  return (record.flags & TraceFault.Mkwrite) !== 0 ? `${access}|${protectedName}` : access
}

function sharing(record: TraceRecord): string {
  return (record.flags & TraceFault.Shared) !== 0 ? 'shared' : 'private'
}

function formatResult(record: TraceRecord): string {
  const names = RESULTS.filter(([bit]) => (record.result & bit) !== 0).map(([, name]) => name)
  return names.length === 0 ? '' : ` ${names.join('|')}`
}

function formatFailure(record: TraceRecord): string {
  return record.result === (FailureResult.Recovered as number) ? 'Recovered' : 'Failed'
}

function formatByte(byte: number): string {
  return Math.abs(byte) >= 2 ** 63 ? LLONG_MAX : String(byte)
}

function hex(value: number): string {
  return `0x${value.toString(16)}`
}
