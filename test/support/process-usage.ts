/** What a process holds of the system: for tests that look for leaks. */
import { readFileSync, readdirSync, readlinkSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** The shared words of a mount are over 100 MiB; thread stacks are 8, and pages of V8's heap that touch can be 2. */
const LARGE = 16 * 2 ** 20

/** The least of many looks: what ends or is collected needs turns of the event loop. */
export async function settledUsage(): Promise<Record<string, number>> {
  const least = usage()
  for (let i = 0; i < 30; i++) {
    globalThis.gc?.()
    await sleep(40)
    for (const [name, count] of Object.entries(usage())) least[name] = Math.min(least[name] ?? count, count)
  }
  return least
}

/** What the descriptors of this process are, as /proc names them. */
export function openDescriptors(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)]
    } catch {
      return []
    }
  })
}

/** Address space of this process that is private, writable and of no file. */
export function writableBytes(): number {
  return writable(readFileSync('/proc/self/maps', 'utf8').trim().split('\n')).reduce(
    (sum, line) => sum + sizeOf(line),
    0,
  )
}

function writable(maps: readonly string[]): string[] {
  return maps.filter((line) => / rw-p .* 00:00 0 *$/.test(line))
}

function usage(): Record<string, number> {
  const maps = readFileSync('/proc/self/maps', 'utf8').trim().split('\n')
  return {
    // A thread that is terminated while it loads a module leaves Node's descriptor of that.
    descriptors: openDescriptors().filter((path) => !path.endsWith('.js')).length,
    threads: readdirSync('/proc/self/task').length,
    mappings: maps.length,
    // Everything with a name: memfds, media, the userfaultfd, libraries. V8's heap has none, and comes and goes.
    named: maps.filter((line) => line.trim().split(/ +/).length > 5).length,
    // The page of zeroes of a mount, and its shared words.
    readOnly: maps.filter((line) => / r--p .* 00:00 0 *$/.test(line)).length,
    large: writable(maps).filter((line) => sizeOf(line) >= LARGE).length,
  }
}

function sizeOf(line: string): number {
  const [start = '', end = ''] = (line.split(' ')[0] ?? '').split('-')
  return Number.parseInt(end, 16) - Number.parseInt(start, 16)
}
