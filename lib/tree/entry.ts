/**
 * The entry word: what the tree knows about one page, or about one 2 MiB range (K3).
 *
 *    31                                                   4   3     2    1    0
 *   ┌──────────────────────────────────────────────────────┬─────┬────┬───┬──────┐
 *   │ pfn, 28 bits                                         │EMPTY│ZERO│PMD│LOCKED│
 *   └──────────────────────────────────────────────────────┴─────┴────┴───┴──────┘
 *
 *   LOCKED   the entry lock: held by one fault, writeback or invalidation
 *   PMD      the entry answers for 512 indices, not for one
 *   ZERO     a hole, mapped read-only to the zero page; pfn is 0
 *   EMPTY    nothing yet: exists only to carry the lock, or left behind by a failed fault (K7); pfn is 0
 *   neither  data: pfn names the storage
 *
 * The whole word 0 is null: no entry. ZERO and EMPTY together never describe a page, which leaves that pattern to the
 * tree itself. Such internal words stay in lib/tree; no caller ever sees one:
 *
 *   id << 4 | 12       pointer to node `id`
 *   offset << 4 | 13   sibling: the entry that answers for this slot is in slot `offset` of the same node
 *
 * Words are signed 32-bit values, so a pfn of 2^27 or more makes a negative word: compare words only for equality.
 * This is the only file that shifts or masks an entry.
 */
import { assert } from '../assert.js'
import { Page, PFN_LIMIT } from '../constants.js'

/** A packed entry word, signed 32 bits. */
export type Entry = number

/** Flag bits of an entry word. */
export const enum EntryFlag {
  Locked = 1 << 0,
  Pmd = 1 << 1,
  Zero = 1 << 2,
  Empty = 1 << 3,
}

const enum EntryBits {
  PfnShift = 4,
  Flags = 15,
  /** ZERO and EMPTY: both clear in data, one set in the other kinds, both set in internal words. */
  Kind = 12,
  /** Kind and LOCKED, which tell a node pointer from a sibling. */
  Internal = 13,
  Node = 12,
  Sibling = 13,
}

/** No entry. */
export const NULL_ENTRY = 0

/** Build an entry. Throws BugError when the pfn does not fit or the flags are not those of a page. */
export function makeEntry(pfn: number, flags: number): Entry {
  assert(pfn >= 0 && pfn < PFN_LIMIT, 'pfn does not fit an entry', pfn)
  assert((flags & ~EntryBits.Flags) === 0 && (flags & EntryBits.Kind) !== EntryBits.Kind, 'not entry flags', flags)
  return (pfn << EntryBits.PfnShift) | flags
}

/** D4 or D2M: storage at `pfn`, which for a 2 MiB entry is the first of 512. */
export function dataEntry(pfn: number, pmd: boolean): Entry {
  assert(pfn > 0 && pfn < PFN_LIMIT, 'not the pfn of a block', pfn)
  return (pfn << EntryBits.PfnShift) | (pmd ? EntryFlag.Pmd : 0)
}

/** Z4 or Z2M. */
export function zeroEntry(pmd: boolean): Entry {
  return EntryFlag.Zero | (pmd ? EntryFlag.Pmd : 0)
}

/** E4 or E2M. */
export function emptyEntry(pmd: boolean): Entry {
  return EntryFlag.Empty | (pmd ? EntryFlag.Pmd : 0)
}

/** 0 for zero and empty entries. */
export function pfnOf(entry: Entry): number {
  return entry >>> EntryBits.PfnShift
}

export function isLocked(entry: Entry): boolean {
  return (entry & EntryFlag.Locked) !== 0
}

export function isPmd(entry: Entry): boolean {
  return (entry & EntryFlag.Pmd) !== 0
}

export function isZero(entry: Entry): boolean {
  return (entry & EntryBits.Kind) === (EntryFlag.Zero as number)
}

export function isEmpty(entry: Entry): boolean {
  return (entry & EntryBits.Kind) === (EntryFlag.Empty as number)
}

/** A value with storage: neither null, nor zero, nor empty. */
export function isData(entry: Entry): boolean {
  return entry !== NULL_ENTRY && (entry & EntryBits.Kind) === 0
}

/** An entry callers may store and see: not null, not internal. */
export function isValue(entry: Entry): boolean {
  return entry !== NULL_ENTRY && (entry & EntryBits.Kind) !== EntryBits.Kind
}

export function lockedEntry(entry: Entry): Entry {
  return entry | EntryFlag.Locked
}

export function unlockedEntry(entry: Entry): Entry {
  return entry & ~EntryFlag.Locked
}

/** log2 of the number of indices the entry answers for: 0 or 9. */
export function orderOf(entry: Entry): number {
  return (entry & EntryFlag.Pmd) !== 0 ? Page.PmdOrder : 0
}

/** Tree-internal: a node pointer or a sibling. */
export function isInternal(entry: Entry): boolean {
  return (entry & EntryBits.Kind) === EntryBits.Kind
}

/** Tree-internal. */
export function isNodePointer(entry: Entry): boolean {
  return (entry & EntryBits.Internal) === EntryBits.Node
}

/** Tree-internal. */
export function isSibling(entry: Entry): boolean {
  return (entry & EntryBits.Internal) === EntryBits.Sibling
}

/** Tree-internal. */
export function nodePointer(id: number): Entry {
  return (id << EntryBits.PfnShift) | EntryBits.Node
}

/** Tree-internal: the node id in a node pointer. */
export function nodeIdOf(entry: Entry): number {
  return entry >>> EntryBits.PfnShift
}

/** Tree-internal: a slot that belongs to the entry in slot `offset` of the same node. */
export function siblingOf(offset: number): Entry {
  return (offset << EntryBits.PfnShift) | EntryBits.Sibling
}

/** Tree-internal: the slot a sibling refers to. */
export function canonicalOffset(entry: Entry): number {
  return entry >>> EntryBits.PfnShift
}

/** For people: 'N', 'D4+L pfn 17', 'Z2M', 'E4+L', 'node 3', 'sibling of 8'. */
export function describeEntry(entry: Entry): string {
  if (entry === NULL_ENTRY) return 'N'
  if (isNodePointer(entry)) return `node ${nodeIdOf(entry)}`
  if (isSibling(entry)) return `sibling of ${canonicalOffset(entry)}`
  const kind = isZero(entry) ? 'Z' : isEmpty(entry) ? 'E' : 'D'
  const size = isPmd(entry) ? '2M' : '4'
  const pfn = isData(entry) || pfnOf(entry) !== 0 ? ` pfn ${pfnOf(entry)}` : ''
  return `${kind}${size}${isLocked(entry) ? '+L' : ''}${pfn}`
}

/**
 * An errno where an entry is expected (K21): one of the internal patterns, so that it can never be taken for an entry.
 * errno: positive.
 */
export function errorEntry(errno: number): Entry {
  return (errno << EntryBits.PfnShift) | EntryBits.Node
}

export function isErrorEntry(entry: Entry): boolean {
  return (entry & EntryBits.Internal) === EntryBits.Node
}

/** The positive errno of an errorEntry. */
export function errnoOf(entry: Entry): number {
  return entry >>> EntryBits.PfnShift
}
