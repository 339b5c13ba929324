/** The child of protected-page-on-dead-mount.test.ts: argv[2] is the pool. Prints one line of JSON. */
import { mount } from '../../lib/index.js'

const pmem = mount(process.argv[2] as string, { faultWorkers: 1, inject: { faultHandlerThrowsAt: 2 } })
const map = pmem.open('a.pm', { create: true, size: 4096 }).mmap()
new Uint8Array(map.buffer)[0] = 1
map.msync()
let code = 'ok'
try {
  map.tryWrite(0, new Uint8Array([2]))
} catch (error) {
  code = (error as { code?: string }).code ?? String(error)
}
pmem.close()
process.stdout.write(`${JSON.stringify({ code })}\n`)
