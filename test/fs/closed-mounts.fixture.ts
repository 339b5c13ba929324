/**
 * Mounts and closes, oftener than the watchdog looks; reports how much address space is private memory then, in units
 * of what one mount has. argv: mounts, pool.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { mount } from '../../lib/index.js'
import { writableBytes } from '../support/process-usage.js'
import { report } from './report.js'

/** Less than a second, so that no look comes to pass in a pause. */
const PAUSE_MS = 20
const [mounts = '1', pool = ''] = process.argv.slice(2)

async function cycle(): Promise<void> {
  mount(pool).close()
  await sleep(PAUSE_MS)
}

async function collected(): Promise<number> {
  globalThis.gc?.()
  await sleep(PAUSE_MS)
  globalThis.gc?.()
  await sleep(PAUSE_MS)
  return writableBytes()
}

await cycle()
const before = await collected()
const pmem = mount(pool)
const one = writableBytes() - before
pmem.close()
for (let i = 0; i < Number(mounts); i++) await cycle()
report({ held: Math.round(((await collected()) - before) / one) })
