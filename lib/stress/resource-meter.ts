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
  const { rss, heapUsed, external } = process.memoryUsage()
  const maps = readFileSync('/proc/self/maps', 'latin1')
  return {
    rss,
    heap: heapUsed,
    external,
    descriptors: readdirSync('/proc/self/fd').length,
    threads: readdirSync('/proc/self/task').length,
    mappings: maps.split('\n').length - 1,
  }
}
