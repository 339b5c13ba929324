/** A process whose main thread ends without close while a user thread faults. argv: how it ends, pool. */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { mount } from '../../lib/index.js'

const [how, pool = ''] = process.argv.slice(2)
const pmem = mount(pool)
pmem.open('shared.pm', { create: true, size: '256MiB' })
const control = new SharedArrayBuffer(8)
const workerData = { kind: 'store-on', handle: pmem.handle, thread: 0, threads: 1, seed: 0, rounds: 1, control }
const worker = new Worker(new URL('./thread.fixture.js', import.meta.url), { workerData })
await once(worker, 'message')
if (how === 'exit') process.exit(5)
if (how === 'throw') throw new Error('the program failed')
worker.unref()
