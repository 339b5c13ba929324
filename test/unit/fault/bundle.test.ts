/** The bundle of the fault worker: code beside it is used when it fits, and does no harm when it does not. */
import { once } from 'node:events'
import { readFileSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { Worker } from 'node:worker_threads'
import { expect } from 'chai'
import { writeCode } from '../../../lib/fault/bundle.js'
import { temporaryDirectory } from '../../support/temp.js'

const SOURCE = '(function () { return [1, 2].map((each) => each + 1) })'
/** As long as SOURCE: V8 alone would take its code for this one's. */
const OTHER = '(function () { return [1, 2].map((each) => each + 2) })'

const MODULE = new URL('../../../lib/fault/bundle.js', import.meta.url).href
const LOAD = `
  const { parentPort, workerData: { module, bundle, cache } } = require('node:worker_threads')
  import(module).then(({ loadBundle }) => {
    const script = loadBundle(bundle, cache)
    const { cachedDataRejected: rejected } = script
    const code = rejected === undefined ? 'none' : rejected ? 'rejected' : 'taken'
    parentPort.postMessage({ code, result: script.runInThisContext()() })
  })`

describe('the bundle of the fault worker', () => {
  let bundle: string
  let cache: string

  beforeEach(() => {
    const directory = temporaryDirectory()
    bundle = join(directory, 'bundle.cjs')
    cache = join(directory, 'bundle.cache')
    writeFileSync(bundle, SOURCE)
    writeCode(bundle, cache, () => undefined)
  })

  /** In a new isolate: V8 remembers what it compiled. Return: was there code, and did V8 take it; what it does. */
  async function load(): Promise<unknown> {
    const worker = new Worker(LOAD, { eval: true, workerData: { module: MODULE, bundle, cache } })
    const [message] = (await once(worker, 'message')) as [unknown]
    return message
  }

  it('takes code that fits', async () => {
    expect(await load()).to.deep.equal({ code: 'taken', result: [2, 3] })
  })

  it('takes code of functions that were compiled before they ran', async () => {
    setFlagsFromString('--no-lazy')
    writeCode(bundle, cache, () => setFlagsFromString('--lazy'))
    expect(await load()).to.deep.equal({ code: 'taken', result: [2, 3] })
  })

  it('runs without', async () => {
    truncateSync(cache, 0)
    expect(await load()).to.deep.equal({ code: 'none', result: [2, 3] })
    cache = join(cache, '..', 'nothing.cache')
    expect(await load()).to.deep.equal({ code: 'none', result: [2, 3] })
  })

  it('passes over code of another bundle, also of one as long', async () => {
    writeFileSync(bundle, OTHER)
    // A clock that is too coarse would hide the change.
    utimesSync(bundle, 1, 1)
    expect(await load()).to.deep.equal({ code: 'none', result: [3, 4] })
  })

  it('passes over code that is cut off, or of another version', async () => {
    const whole = readFileSync(cache)
    writeFileSync(cache, whole.subarray(0, whole.length - 64))
    expect(await load()).to.deep.equal({ code: 'rejected', result: [2, 3] })
    // After our 16 bytes: V8's magic number, then the hash of its version.
    whole.writeUInt32LE((whole.readUInt32LE(20) ^ 1) >>> 0, 20)
    writeFileSync(cache, whole)
    expect(await load()).to.deep.equal({ code: 'rejected', result: [2, 3] })
  })
})
