/** The harnesses of the kernel, in the order of the table. */
import type { Harness } from '../harness.js'
import { ASYNC_STORE_DROP, ASYNC_STORE_FLUSH, ASYNC_STORE_SYNC } from './async-stores.js'
import { DOWNGRADE_SLEEPERS } from './downgrade-sleepers.js'
import { FAULT_AROUND_FAILURE, FAULT_AROUND_SYNC } from './fault-around.js'
import { FAULT_COLLAPSE } from './fault-collapse.js'
import { FAULT_FAULT } from './fault-fault.js'
import { FAULT_HUGE } from './fault-huge.js'
import { FAULT_PUNCH, MKWRITE_PUNCH } from './fault-punch.js'
import { COPY_TRUNCATE, FAULT_TRUNCATE } from './fault-truncate.js'
import { FSYNC_FSYNC, FSYNC_PARTS } from './fsync-fsync.js'
import { HOLE_READ_WRITE } from './hole-read-write.js'
import { INVALIDATE_WAITERS } from './invalidate-waiters.js'
import { MEMORY_FAILURE_FAULT, MEMORY_FAILURE_TRUNCATE } from './memory-failure-truncate.js'
import { MKWRITE_WRITEBACK, STORE_WRITEBACK } from './mkwrite-writeback.js'
import { PENDING_WRITEBACK } from './pending-writeback.js'
import { RANGE_DISJOINT, RANGE_OVERLAP } from './range-lock.js'
import { SYNC_MAP_COMMIT } from './sync-map-commit.js'
import { TREE_GROWTH } from './tree-growth.js'
import { WAIT_COLLISIONS } from './wait-collisions.js'
import { WRITEBACK_TRUNCATE } from './writeback-truncate.js'

export const HARNESSES: readonly Harness[] = [
  FAULT_FAULT,
  FAULT_HUGE,
  HOLE_READ_WRITE,
  FAULT_TRUNCATE,
  COPY_TRUNCATE,
  WRITEBACK_TRUNCATE,
  FAULT_PUNCH,
  FAULT_COLLAPSE,
  MKWRITE_WRITEBACK,
  STORE_WRITEBACK,
  MKWRITE_PUNCH,
  FSYNC_FSYNC,
  FSYNC_PARTS,
  INVALIDATE_WAITERS,
  DOWNGRADE_SLEEPERS,
  TREE_GROWTH,
  RANGE_OVERLAP,
  RANGE_DISJOINT,
  WAIT_COLLISIONS,
  SYNC_MAP_COMMIT,
  PENDING_WRITEBACK,
  MEMORY_FAILURE_TRUNCATE,
  MEMORY_FAILURE_FAULT,
  FAULT_AROUND_FAILURE,
  FAULT_AROUND_SYNC,
  ASYNC_STORE_SYNC,
  ASYNC_STORE_FLUSH,
  ASYNC_STORE_DROP,
]
