/**
 * Where ext4-dax and xfs-dax truly differ (measured on Linux 6.12), in one table with the reasons. Everything else is
 * common code.
 */

export type FlavourName = 'ext4' | 'xfs'

export interface Flavour {
  readonly name: FlavourName
  /**
   * Its vm_ops have no map_pages, so a user fault that reaches the 4 KiB stage under the per-VMA lock is started over
   * under mmap_lock: what precedes it, the 2 MiB attempt, is tried twice.
   */
  readonly retriesUserFaults: boolean
  /** A sub-extent conversion converts a small unwritten extent (up to 32 KiB) as a whole at the first store. */
  readonly convertsWholeExtent: boolean
  /** Plain fallocate goes through the layout break and size change path, so it unmaps the whole file. */
  readonly allocateUnmaps: boolean
  /** Punch and zero range first write back what is dirty in the range. */
  readonly syncsBeforePunch: boolean
  /** Extending a file zeroes from the old to the new size (xfs), or only the tail of the last block (ext4). */
  readonly zeroesWhenExtending: boolean
  /** An extending write(2) zeroes what mappings stored past the old EOF. */
  readonly writeZeroesTail: boolean
  /** Failed collapse or insert, and punch beyond EOF, still change mtime and ctime. */
  readonly timesOnFailure: boolean
  /** Collapse drops private copies from the collapse point on. */
  readonly collapseDropsCopies: boolean
  /** A short write leaves the blocks it allocated past EOF. */
  readonly keepsBlocksPastEof: boolean
}

export const FLAVOURS: Readonly<Record<FlavourName, Flavour>> = {
  ext4: {
    name: 'ext4',
    retriesUserFaults: true,
    convertsWholeExtent: true,
    allocateUnmaps: false,
    syncsBeforePunch: false,
    zeroesWhenExtending: false,
    writeZeroesTail: false,
    timesOnFailure: false,
    collapseDropsCopies: true,
    keepsBlocksPastEof: false,
  },
  xfs: {
    name: 'xfs',
    retriesUserFaults: false,
    convertsWholeExtent: false,
    allocateUnmaps: true,
    syncsBeforePunch: true,
    zeroesWhenExtending: true,
    writeZeroesTail: true,
    timesOnFailure: true,
    collapseDropsCopies: false,
    keepsBlocksPastEof: true,
  },
}
