/** The thread that prints: see trace-print.ts. */
import { workerData } from 'node:worker_threads'
import { type PrintRequest, printUntilStopped } from './trace-print.js'

printUntilStopped(workerData as PrintRequest)
