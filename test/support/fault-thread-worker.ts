import { parentPort } from 'node:worker_threads'
import { addon } from '../../lib/binding/load.js'
import type { Access } from './fault-thread.js'

parentPort?.on('message', (access: Access) => parentPort?.postMessage(perform(access)))

function perform(access: Access): number {
  switch (access.kind) {
    case 'thread-id':
      return addon.threadId()
    case 'touch':
      return addon.touchPages(access.address, access.length, access.write)
    case 'peek':
      return bytesAt(access.address)[0] ?? -1
    case 'poke':
      bytesAt(access.address)[0] = access.byte
      return access.byte
  }
}

function bytesAt(address: number): Uint8Array {
  return new Uint8Array(addon.createArrayBuffer(address, 1))
}
