/** The thread of the watchdog: see watchdog.ts. */
import { workerData } from 'node:worker_threads'
import type { MachineHandle } from './machine.js'
import { watchMount } from './watchdog.js'

watchMount(workerData as MachineHandle)
