/** The thread of the watchdog: see watchdog.ts. */
import { parentPort } from 'node:worker_threads'
import type { MachineHandle } from './machine.js'
import { Watchdog } from './watchdog.js'

const watchdog = new Watchdog()
parentPort?.on('message', (handle: MachineHandle) => watchdog.watch(handle))
