/** What the process holds, for whoever looks for leaks. */
import { readFileSync, readdirSync } from 'node:fs'
import type { Resources } from './messages.js'

/** Counting mappings takes the host kernel's lock over all of them: not oftener than this. */
const LOOK_EVERY_MS = 1000

export class ResourceMeter {
  #last: Resources | undefined
  #lookedAt = 0

  /** As it was when it was looked at last. */
  now(): Resources {
    const now = performance.now()
    if (this.#last === undefined || now - this.#lookedAt >= LOOK_EVERY_MS) {
      this.#last = look()
      this.#lookedAt = now
    }
    return this.#last
  }
}

function look(): Resources {
  const { heapUsed, external } = process.memoryUsage()
  const maps = readFileSync('/proc/self/maps', 'latin1')
  const status = readFileSync('/proc/self/status', 'latin1')
  return {
    rss: bytesOf(status, 'VmRSS'),
    shared: bytesOf(status, 'RssShmem'),
    virtual: bytesOf(status, 'VmSize'),
    heap: heapUsed,
    external,
    descriptors: readdirSync('/proc/self/fd').length,
    threads: readdirSync('/proc/self/task').length,
    mappings: maps.split('\n').length - 1,
  }
}

/** status: /proc/PID/status, in KiB. */
function bytesOf(status: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? NaN) * 1024
}
