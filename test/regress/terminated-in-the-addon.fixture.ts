/** Workers that make calls of the addon which give objects, buffers and errors are terminated. argv: how many. */
import { once } from 'node:events'
import { Worker, isMainThread, parentPort } from 'node:worker_threads'
import { addon } from '../../lib/binding/load.js'
import { report } from '../fs/report.js'

const AT_A_TIME = 4

async function endOne(delay: number): Promise<void> {
  const worker = new Worker(new URL(import.meta.url))
  // The first ones while they load the addon, the others in a call.
  if (delay > 0) await once(worker, 'message')
  await new Promise((resolve) => setTimeout(resolve, delay))
  await worker.terminate()
}

function callOn(): void {
  const bytes = new Uint8Array(4096)
  const address = addon.addressOf(bytes)
  parentPort?.postMessage('calls')
  for (;;) {
    addon.cpuInfo()
    addon.fileStatus(0)
    addon.getAffinity(0)
    addon.probeUserfaultfd()
    addon.detachArrayBuffer(addon.createArrayBuffer(address, 4096))
    for (const fail of [() => addon.fileStatus(-1), () => addon.fileStatus(9999)]) {
      try {
        fail()
      } catch {
        // What it says is the business of other tests.
      }
    }
  }
}

if (isMainThread) {
  const count = Number(process.argv[2])
  for (let i = 0; i < count; i++) {
    await Promise.all(Array.from({ length: AT_A_TIME }, (_, j) => endOne(i === 0 ? 0 : 1 + (i * AT_A_TIME + j) / 5)))
  }
  report({ ended: count * AT_A_TIME })
} else callOn()
