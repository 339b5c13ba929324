import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { constants as host } from 'node:os'
import { constants as files, readdirSync, readlinkSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { expect } from 'chai'
import type { Addon } from '../../../lib/binding/addon.js'
import { addon } from '../../../lib/binding/load.js'
import { addonPaths } from '../../../lib/binding/locate.js'
import { missingNeeds, probe } from '../../../lib/binding/probe.js'
import { Page } from '../../../lib/constants.js'
import { FaultRecord } from '../../../lib/fault/fault-batch.js'
import { PortOperation, PortWord } from '../../../lib/fault/fault-port.js'
import { Protect, Resolve } from '../../../lib/fault/page-resolver.js'
import { TRACED_END, TRACED_START } from '../../../lib/fault/store-views.js'
import { FaultThread } from '../../support/fault-thread.js'

const ADDON_URL = new URL('../../../lib/binding/load.js', import.meta.url).href

describe('the addon', () => {
  it('has the constants of lib/constants.ts and of node', () => {
    expect(addon.constants).to.include({
      PAGE_SIZE: Page.Size,
      LINE_SIZE: Page.LineSize,
      PMD_SIZE: Page.PmdSize,
      FAULT_WRITE: 1,
      FAULT_WP: 2,
      FAULT_MINOR: 4,
      FAULT_BATCH: FaultRecord.BatchMax,
      FAULT_RECORD_FIRST: FaultRecord.First,
      FAULT_RECORD_SIZE: FaultRecord.Size,
      TRACED_START,
      TRACED_END,
      STORE_VIEW_DISTANCE: TRACED_END - TRACED_START,
      PORT_RECORDS: PortWord.Records,
      PORT_COPY: PortOperation.Copy,
      PORT_CONTINUE: PortOperation.Continue,
      PORT_UNPROTECT: PortOperation.Unprotect,
      PORT_WAKE: PortOperation.Wake,
      RESOLVE_WP: Resolve.Wp,
      RESOLVE_DONTWAKE: 2,
      PROTECT_WP: Protect.On,
      PTE_FILE: 1,
      PTE_ANON: 2,
      PTE_WP: 4,
    })
    for (const [name, value] of Object.entries({ ...host.errno, ...files })) {
      if (name in addon.constants) expect(addon.constants[name], name).to.equal(value)
    }
    expect(Object.isFrozen(addon.constants)).to.equal(true)
    for (const { name, bit } of addon.userfaultfdFeatures()) {
      expect(addon.constants[`UFFD_FEATURE_${name}`], name).to.equal(bit)
    }
  })

  it('throws errors with code, errno and syscall', () => {
    expect(() => addon.openDirectory('/no/such/folder'))
      .to.throw(Error, 'ENOENT: No such file or directory, open: /no/such/folder')
      .that.includes({ code: 'ENOENT', errno: 2, syscall: 'open' })
  })

  it('throws TypeError or RangeError for wrong arguments, naming them', () => {
    const loose = addon as unknown as Record<keyof Addon, (...values: unknown[]) => unknown>
    expect(() => loose.closeFd('1')).to.throw(TypeError, 'closeFd: argument 1 must be a number, not string')
    expect(() => loose.closeFd()).to.throw(TypeError, 'not undefined')
    expect(() => loose.closeFd(-1)).to.throw(RangeError, 'closeFd: argument 1 must be an integer from 0')
    for (const value of [NaN, Infinity, 1.5, -1, 2 ** 53]) {
      expect(() => loose.unmap(value, 4096), String(value)).to.throw(RangeError, 'unmap: argument 1')
    }
    expect(() => loose.unmap(2 ** 47, 4096)).to.throw(RangeError, '2^47')
    expect(() => loose.touchPages(0, 1, 1)).to.throw(TypeError, 'argument 3 must be a boolean')
    expect(() => loose.residentPages(0, 4096, new Int8Array(1))).to.throw(TypeError, 'a Uint8Array, not object')
    expect(() => loose.residentPages(0, 8192, new Uint8Array(1))).to.throw(RangeError, 'longer')
    expect(() => loose.setAffinity(1)).to.throw(TypeError, 'array')
    expect(() => loose.setAffinity([-1])).to.throw(RangeError)
    expect(() => loose.readFaults(0, 0, [], 0, 0)).to.throw(TypeError, 'a Float64Array')
  })

  it('knows the CPU and pins threads', () => {
    expect(addon.cpuInfo()).to.include({ cacheLineSize: 64, nonTemporalStores: true })
    const all = addon.getAffinity(0)
    addon.setAffinity(all.slice(0, 1), 0)
    expect(addon.getAffinity(0)).to.deep.equal(all.slice(0, 1))
    addon.setAffinity(all, 0)
    expect(() => addon.setAffinity([], 0)).to.throw(/EINVAL/)
    expect(() => addon.setAffinity(all, 2 ** 30)).to.throw(/ESRCH/)
  })

  it('loads in Workers, one after the other', async () => {
    for (let i = 0; i < 3; i++) {
      const thread = await FaultThread.start()
      expect(thread.threadId).not.to.equal(addon.threadId())
      await thread.stop()
    }
  })

  it('guards again after the only Worker that loaded it is gone', () => {
    const inner = `import(${JSON.stringify(ADDON_URL)}).then(({ addon }) => addon.touchPages(0, 1, false))`
    const script = `
      const { Worker } = require('node:worker_threads')
      new Worker(${JSON.stringify(inner)}, { eval: true }).on('exit', async () => {
        const { addon } = await import(${JSON.stringify(ADDON_URL)})
        console.log(addon.touchPages(0, 1, false))
      })`
    const result = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' })
    expect(result).to.include({ status: 0, stdout: '-14\n', stderr: '' })
  })

  it('says where an unguarded SIGBUS came from, and dies of it', () => {
    const script = `
      import { addon } from ${JSON.stringify(ADDON_URL)}
      const fd = addon.createMemfd('bus', 0)
      const map = addon.mapFile(fd, 0, 4096, addon.constants.PROT_READ, true)
      console.log(map.toString(16).padStart(16, '0'))
      new Uint8Array(addon.createArrayBuffer(map, 4096))[0]`
    const result = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
    expect(result.signal).to.equal('SIGBUS')
    expect(result.stderr).to.include(`faultline: SIGBUS at 0x${result.stdout.trim()}: `)
  })

  it('names the build command when it is missing', async () => {
    const worker = new Worker(
      `import(${JSON.stringify(ADDON_URL)}).catch((error) => {
      require('node:worker_threads').parentPort.postMessage([error.code, error.message])
    })`,
      { eval: true, env: { FAULTLINE_ADDON: '/no/such/addon.node' } },
    )
    const [[code, message]] = (await once(worker, 'message')) as [[string, string]]
    expect(code).to.equal('ERR_FAULTLINE_ADDON')
    expect(message).to.include('npm run build:native').and.include('/no/such/addon.node')
    expect(addonPaths()[0]).to.match(/faultline\.node$/)
  })
})

describe('the probe', () => {
  it('gives each missing thing a reason and a remedy, and opens nothing for good', () => {
    const before = openDescriptors()
    const rows = probe('/tmp')
    expect(openDescriptors()).to.deep.equal(before)
    expect(new Set(rows.map((row) => row.name)).size).to.equal(rows.length)
    for (const row of rows.filter((each) => !each.ok)) {
      expect(row.reason, row.name).to.be.a('string').that.is.not.equal('')
      expect(row.remedy, row.name).to.be.a('string').that.is.not.equal('')
    }
    expect(rows.map((row) => row.name)).to.include.members(['addon', 'userfaultfd', 'memfd', 'SEEK_HOLE'])
  })

  it('reports a pool folder that is not there', () => {
    const lacking = missingNeeds(probe('/no/such/pool')).map((row) => row.name)
    expect(lacking).to.include('pool directory')
  })
})

/** What the probe may open, by what it is: the numbers change as Workers of earlier tests go. */
function openDescriptors(): string[] {
  const links = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`)
    } catch {
      return 'closed meanwhile'
    }
  })
  return links.filter((link) => /userfaultfd|memfd|faultline-probe|^\/(tmp)?$/.test(link)).sort()
}
