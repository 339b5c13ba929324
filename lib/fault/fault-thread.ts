/** The thread of a fault worker: loads it, which starts it. */
import { startFailed } from './start-failed.js'

import('./fault-worker.js').catch(startFailed)
