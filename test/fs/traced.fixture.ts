/** A process, or a Worker, with a traced mount. argv: scenario, pool. */
import { createRequire } from 'node:module'
import { setTimeout } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { addon } from '../../lib/binding/load.js'
import { type MountHandle, attach, mount } from '../../lib/index.js'
import { StoreList } from './store-list.js'
import { outcomeOf, report } from './report.js'

const PAGE = 4096
const [scenario = '', pool = ''] = process.argv.slice(2)
/** An address nothing is mapped at, in no arena; nor has AddressSanitizer its shadow there. */
const NOWHERE = 2 ** 20

function storeOn(): void {
  const bytes = new Uint8Array(
    attach(workerData as MountHandle)
      .open('a.pm')
      .mmap().buffer,
  )
  parentPort?.postMessage('storing')
  for (let i = 0; ; i++) bytes[i % PAGE] = i
}

function full(): void {
  const pmem = mount(pool, { stores: 'traced', storeLogSize: PAGE })
  const file = pmem.open('a.pm', { create: true, size: 4 * PAGE })
  const bytes = new Uint8Array(file.mmap().buffer)
  const recorder = pmem.recordStores(new StoreList())
  for (let i = 0; i < bytes.length; i++) bytes[i] = 1
  const { code } = outcomeOf(() => recorder.drain())
  report({ code, kept: bytes.reduce((sum, byte) => sum + byte, 0) })
  outcomeOf(() => {
    recorder.stop()
  })
  pmem.close()
}

interface Native {
  runStoreForm(index: number, to: number, from: number): void
  storeForms(): { name: string }[]
}

/** One of the store instructions of the tests' own addon. */
function runForm(name: string, to: number, from: number): void {
  const native = createRequire(import.meta.url)('../../../build/Release/store_forms.node') as Native
  native.runStoreForm(
    native.storeForms().findIndex((form) => form.name === name),
    to,
    from,
  )
}

/** An instruction that the tracer steps: what SIGTRAP is for. */
function addStepped(address: number): void {
  runForm('add r64', address, addon.addressOf(new Uint8Array(256)))
}

function die(): void {
  const pmem = mount(pool, { stores: 'traced' })
  const map = pmem.open('a.pm', { create: true, size: PAGE }).mmap({ length: 2 * PAGE })
  const bytes = new Uint8Array(map.buffer)
  bytes[0] = 1
  report({ stored: bytes[0] })
  const source = addon.addressOf(new Uint8Array(256))
  if (scenario === 'segv') runForm('mov r64', NOWHERE, source)
  else if (scenario === 'segv in a step') runForm('movsl', map.address, NOWHERE)
  else if (scenario === 'sigbus') bytes[PAGE] = 1
  else {
    map.mprotect(0, PAGE, 'r')
    bytes[1] = 1
  }
}

/** A module whose export `load` reads a word at an address that is out of bounds: V8 uses SIGSEGV to find that. */
const WASM = Uint8Array.from([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 6, 1, 96, 1, 127, 1, 127, 3, 2, 1, 0, 5, 3, 1, 0, 1, 7, 8, 1, 4, 108, 111, 97, 100, 0,
  0, 10, 9, 1, 7, 0, 32, 0, 40, 2, 0, 11,
])

/** Not in the types of Node alone. */
const { WebAssembly: wasm } = globalThis as unknown as {
  WebAssembly: {
    Module: new (code: Uint8Array) => object
    Instance: new (module: object) => { exports: { load(at: number): number } }
  }
}

const PATIENCE_MS = 10_000

/** A signal comes when some thread takes it, and its listener in a later turn. */
async function until(isSo: () => boolean): Promise<void> {
  for (const end = performance.now() + PATIENCE_MS; !isSo() && performance.now() < end;) await setTimeout(1)
}

async function chain(): Promise<void> {
  const { exports } = new wasm.Instance(new wasm.Module(WASM))
  const pmem = mount(pool, { stores: 'traced' })
  const map = pmem.open('a.pm', { create: true, size: PAGE }).mmap()
  const bytes = new Uint8Array(map.buffer)
  const list = new StoreList()
  const recorder = pmem.recordStores(list)
  bytes[0] = 1
  const { message } = outcomeOf(() => exports.load(2 ** 24))
  addStepped(map.address + 8)
  addStepped(map.address + 8)
  recorder.drain()
  report({ wasm: message, recorded: list.stores.length })
  // libuv's handler takes the place of the tracer's.
  let traps = 0
  process.on('SIGTRAP', () => traps++)
  addStepped(map.address + 8)
  process.kill(process.pid, 'SIGTRAP')
  await until(() => traps === 1)
  recorder.drain()
  report({ sigtrap: traps, recorded: list.stores.length })
  pmem.close()
  process.kill(process.pid, 'SIGTRAP')
  await until(() => traps === 2)
  report({ sigtrap: traps, recorded: list.stores.length })
}

if (scenario === 'worker') storeOn()
else if (scenario === 'full') full()
else if (scenario === 'chain') await chain()
else die()
