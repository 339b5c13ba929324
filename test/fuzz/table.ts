/** All of the public surface, and what of its prototypes is none of it. */
import { DaxFile, DaxMapping, Pmem, Region, StoreLog, StoreRecorder } from '../../lib/index.js'
import { EXPLORE, LOG, REGION } from './surface-crash.js'
import { FILE, MAPPING, MODULE, PMEM, RECORDER } from './surface-files.js'
import type { Surface } from './surface.js'
import type { ObjectKind } from './values.js'

export const TABLE: Surface = { ...MODULE, ...PMEM, ...FILE, ...MAPPING, ...RECORDER, ...REGION, ...LOG, ...EXPLORE }

/** Marked @internal, so not in what TypeScript users see; and constructors of what other calls make. */
export const INTERNAL: readonly string[] = [
  ...['new Pmem', 'new DaxFile', 'new DaxMapping', 'new StoreRecorder', 'new PmemError', 'new BugError'],
  ...[
    'Pmem.fileClosed',
    'Pmem.mappingMade',
    'Pmem.mappingGone',
    'get Pmem.machine',
    'Pmem.leaveAtExit',
    'Pmem.endTrace',
  ],
  ...[
    'Region.watchLoads',
    'Region.rewind',
    'Region.rewindMemory',
    'Region.begin',
    'Region.end',
    'get Region.isChanged',
  ],
]

export const CLASSES: Readonly<Record<ObjectKind, new (...given: never[]) => object>> = {
  Pmem,
  DaxFile,
  DaxMapping,
  StoreRecorder,
  Region,
  StoreLog,
}
