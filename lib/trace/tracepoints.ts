/**
 * Tracepoints, named as the kernel's (include/trace/events/fs_dax.h and the functions people probe with it).
 *
 * A record is an event number, the file and mapping it is about, and up to four numbers; text is made by the reader
 * (trace/format.ts). Emitting costs one plain load while nobody listens.
 */

export const enum Trace {
  PageFaultUser = 0,
  PageFaultKernel = 1,
  FileUpdateTime = 2,
  PmdFault = 3,
  PmdFaultDone = 4,
  PmdLoadHole = 5,
  PteFault = 6,
  PteFaultDone = 7,
  LoadHole = 8,
  InsertPfnMkwrite = 9,
  FinishSyncFault = 10,
  WritebackRange = 11,
  WritebackRangeDone = 12,
  WritebackOne = 13,
  DeleteMappingEntry = 14,
  InvalidateMappingEntry = 15,
  LayoutBusyPageRange = 16,
  UnmapMappingPages = 17,
  TruncateInodePages = 18,
  InvalidateInodePages2 = 19,
  ZeroRange = 20,
  MemoryFailure = 21,
}

export const TRACE_NAMES = [
  'page_fault_user',
  'page_fault_kernel',
  'file_update_time',
  'dax_pmd_fault',
  'dax_pmd_fault_done',
  'dax_pmd_load_hole',
  'dax_pte_fault',
  'dax_pte_fault_done',
  'dax_load_hole',
  'dax_insert_pfn_mkwrite',
  'dax_finish_sync_fault',
  'dax_writeback_range',
  'dax_writeback_range_done',
  'dax_writeback_one',
  'dax_delete_mapping_entry',
  'dax_invalidate_mapping_entry_sync',
  'dax_layout_busy_page_range',
  'unmap_mapping_pages',
  'truncate_inode_pages_range',
  'invalidate_inode_pages2_range',
  'dax_zero_range',
  'memory_failure_event',
] as const

export type TraceName = (typeof TRACE_NAMES)[number]

/** Bits of the fault flags in a record (vmf->flags, as far as they are traced). */
export const enum TraceFault {
  Write = 1,
  /** A store to a present, protected page (FAULT_FLAG_MKWRITE; PRESENT in page_fault_user). */
  Mkwrite = 2,
  Shared = 4,
}

/** Result bits of a fault (vm_fault_t). */
export const enum FaultResult {
  Sigbus = 2,
  Major = 4,
  HwPoison = 0x10,
  NoPage = 0x100,
  Fallback = 0x800,
  DoneCow = 0x1000,
  NeedDsync = 0x2000,
}

/** Result of a memory failure (enum mf_result), as far as it can happen to a DAX page. */
export const enum FailureResult {
  Failed = 1,
  Recovered = 3,
}
