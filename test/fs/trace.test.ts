import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { type TraceEvent, mount } from '../../lib/index.js'
import { projectRoot } from '../support/sources.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { temporaryDirectory } from '../support/temp.js'

describe('trace', () => {
  before(function () {
    requireUserfaultfd(this)
  })

  it('tells a listener what a store and a sync do, in order', () => {
    using pmem = mount(temporaryDirectory(), { capacity: '16MiB', faultWorkers: 1 })
    const file = pmem.open('a.pm', { create: true, size: 8192 })
    const mapping = file.mmap()
    const events: TraceEvent[] = []
    pmem.on('trace', (event) => events.push(event))
    new Uint8Array(mapping.buffer)[5000] = 1
    mapping.msync()
    pmem.drainTrace()
    const names = events.map(({ name }) => name)
    expect(names[0]).to.equal('page_fault_user')
    expect(names).to.include('dax_pte_fault').and.to.include('dax_writeback_one')
    expect(events.every(({ lost, file: name }) => lost === 0 && name === 'a.pm')).to.equal(true)
    expect(events.at(-1)?.sequence).to.equal(events.length - 1)
  })

  it('delivers from the event loop, stops with off, and says what was lost', async () => {
    using pmem = mount(temporaryDirectory(), { capacity: '16MiB', maxTraceRecords: 16, hugePages: false })
    const file = pmem.open('a.pm', { create: true, size: '1MiB' })
    const mapping = file.mmap()
    const bytes = new Uint8Array(mapping.buffer)
    const events: TraceEvent[] = []
    const listener = (event: TraceEvent): void => void events.push(event)
    pmem.on('trace', listener)
    for (let page = 0; page < 128; page++) bytes[page * 4096] = 1
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(events.length).to.be.within(1, 32)
    expect(events[0]?.lost).to.be.greaterThan(100)
    pmem.off('trace', listener)
    const before = events.length
    bytes[200 * 4096] = 1
    pmem.drainTrace()
    expect(events.length).to.equal(before)
  })

  it('turns down misuse', () => {
    using pmem = mount(temporaryDirectory(), { capacity: '16MiB' })
    expect(() => pmem.on('trace', 1 as never)).to.throw(TypeError, /listener/)
    expect(() => pmem.on('fault' as never, () => undefined)).to.throw(RangeError, /event/)
    pmem.close()
    expect(() => pmem.on('trace', () => undefined)).to.throw(/EBADF/)
  })

  it('is printed by faultline trace, with the status of the script', () => {
    const folder = temporaryDirectory('script')
    const script = join(folder, 'script.mjs')
    const index = JSON.stringify(join(projectRoot, 'dist/lib/index.js'))
    writeFileSync(
      script,
      `import { mount } from ${index}
       const pmem = mount(process.argv[2], { capacity: '16MiB' })
       const mapping = pmem.open('a.pm', { create: true, size: 4096 }).mmap()
       new Uint8Array(mapping.buffer)[7] = 1
       console.log('stored')
       process.exit(3)`,
    )
    const main = join(projectRoot, 'dist/lib/cli/main.js')
    const result = spawnSync(process.execPath, [main, 'trace', '--', script, join(folder, 'pool')], {
      encoding: 'utf8',
    })
    expect(result.stdout).to.equal('stored\n')
    expect(result.stderr).to.match(/^\[\d+\] a\.pm page_fault_user 0x[0-9a-f]+007 WRITE$/m)
    expect(result.stderr).to.match(/dax_pte_fault_done: shared WRITE .* MAJOR\|NOPAGE/)
    expect(result.status).to.equal(3)
  })
})
