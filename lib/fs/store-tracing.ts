/** Whether stores can be traced on this machine, and what a traced mount has of the process. */
import { readFileSync } from 'node:fs'
import type { Addon } from '../binding/addon.js'
import { PmemError } from '../errors.js'

/**
 * Have the tracer's signal handlers, and a log.
 * Return: the address of the log. Errors: ENOTSUP with the reason why stores cannot be traced here.
 */
export function openStoreTrace(addon: Addon, logBytes: number): number {
  const debuggerId = tracerOf(readStatus())
  if (debuggerId !== 0) {
    const reason = `process ${debuggerId} traces this one (a debugger, strace?) and takes the signals of single steps`
    throw new PmemError('ENOTSUP', 'mount', `stores cannot be traced: ${reason}; mount with stores: 'diff'`)
  }
  const log = addon.openStoreLog(logBytes)
  addon.startTracer()
  return log
}

/** Context: no mapping of the mount is left. log: 0 when the mount does not trace. */
export function closeStoreTrace(addon: Addon, log: number): void {
  if (log === 0) return
  addon.stopTracer()
  addon.closeStoreLog(log)
}

function readStatus(): string {
  try {
    return readFileSync('/proc/self/status', 'utf8')
  } catch {
    return ''
  }
}

/** Return: the process that ptraces us, by the text of /proc/self/status; 0: none. */
export function tracerOf(status: string): number {
  return Number(/^TracerPid:\s*(\d+)/m.exec(status)?.[1] ?? 0)
}
