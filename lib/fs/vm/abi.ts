/** Numbers of the memory-management system calls on Linux x86-64, and the arithmetic of their arguments. */
import { Page } from '../../constants.js'

export const enum Prot {
  None = 0,
  Read = 1,
  Write = 2,
  Exec = 4,
  Sem = 8,
  GrowsDown = 0x0100_0000,
  GrowsUp = 0x0200_0000,
}

export const enum MapFlag {
  Shared = 0x01,
  Private = 0x02,
  SharedValidate = 0x03,
  Type = 0x0f,
  Fixed = 0x10,
  Anonymous = 0x20,
  Bit32 = 0x40,
  Above4G = 0x80,
  GrowsDown = 0x100,
  DenyWrite = 0x800,
  Executable = 0x1000,
  Locked = 0x2000,
  NoReserve = 0x4000,
  Populate = 0x8000,
  NonBlock = 0x1_0000,
  Stack = 0x2_0000,
  HugeTlb = 0x4_0000,
  Sync = 0x8_0000,
  FixedNoReplace = 0x10_0000,
  Uninitialized = 0x400_0000,
  /** log2 of the size of a huge page, for 2 MiB and 1 GiB. */
  HugeSizes = 0x7c00_0000,
}

/** What MAP_SHARED_VALIDATE knows without the help of the file (LEGACY_MAP_MASK). */
const LEGACY_FLAGS =
  MapFlag.Type |
  MapFlag.Fixed |
  MapFlag.Anonymous |
  MapFlag.Bit32 |
  MapFlag.Above4G |
  MapFlag.GrowsDown |
  MapFlag.DenyWrite |
  MapFlag.Executable |
  MapFlag.Locked |
  MapFlag.NoReserve |
  MapFlag.Populate |
  MapFlag.NonBlock |
  MapFlag.Stack |
  MapFlag.HugeTlb |
  MapFlag.Uninitialized |
  MapFlag.HugeSizes

/** Flags a DAX file accepts with MAP_SHARED_VALIDATE. */
export const VALID_FLAGS = LEGACY_FLAGS | MapFlag.Sync

export const enum MsyncFlag {
  Async = 1,
  Invalidate = 2,
  Sync = 4,
  All = 7,
}

export const enum MremapFlag {
  MayMove = 1,
  Fixed = 2,
  DontUnmap = 4,
  All = 7,
}

export const enum Advice {
  Normal = 0,
  Random = 1,
  Sequential = 2,
  WillNeed = 3,
  DontNeed = 4,
  Free = 8,
  Remove = 9,
  DontFork = 10,
  DoFork = 11,
  Mergeable = 12,
  Unmergeable = 13,
  HugePage = 14,
  NoHugePage = 15,
  DontDump = 16,
  DoDump = 17,
  WipeOnFork = 18,
  KeepOnFork = 19,
  Cold = 20,
  PageOut = 21,
  PopulateRead = 22,
  PopulateWrite = 23,
  DontNeedLocked = 24,
  Collapse = 25,
  HwPoison = 100,
  SoftOffline = 101,
}

/** Advice by its name in the manual: MADV_DONTNEED is dontneed. */
export const ADVICE = {
  normal: Advice.Normal,
  random: Advice.Random,
  sequential: Advice.Sequential,
  willneed: Advice.WillNeed,
  dontneed: Advice.DontNeed,
  free: Advice.Free,
  remove: Advice.Remove,
  dontfork: Advice.DontFork,
  dofork: Advice.DoFork,
  mergeable: Advice.Mergeable,
  unmergeable: Advice.Unmergeable,
  hugepage: Advice.HugePage,
  nohugepage: Advice.NoHugePage,
  dontdump: Advice.DontDump,
  dodump: Advice.DoDump,
  wipeonfork: Advice.WipeOnFork,
  keeponfork: Advice.KeepOnFork,
  cold: Advice.Cold,
  pageout: Advice.PageOut,
  populate_read: Advice.PopulateRead,
  populate_write: Advice.PopulateWrite,
  dontneed_locked: Advice.DontNeedLocked,
  collapse: Advice.Collapse,
  hwpoison: Advice.HwPoison,
  soft_offline: Advice.SoftOffline,
} as const

export type AdviceName = keyof typeof ADVICE

export type Protection = 'none' | 'r' | 'w' | 'rw'

export const PROTECTIONS: Readonly<Record<Protection, number>> = {
  none: Prot.None,
  r: Prot.Read,
  w: Prot.Write,
  rw: Prot.Read | Prot.Write,
}

/** End of user addresses (TASK_SIZE). */
export const TASK_SIZE = 2 ** 47 - Page.Size

export function isPageAligned(address: number): boolean {
  return address % Page.Size === 0
}

/**
 * PAGE_ALIGN of a size_t. A negative number stands for 2^64 less that much, as it does in C: one within a page of zero
 * wraps to 0, any other is larger than every address.
 */
export function pageAlign(length: number): number {
  if (length < 0) return length > -Page.Size ? 0 : Infinity
  return Math.ceil(length / Page.Size) * Page.Size
}
