/** D11: a fault handler that fails is loud. Nothing hangs, nothing reads zeroes, what was fenced stays. */
import { expect } from 'chai'
import { mount } from '../../lib/index.js'
import { HeaderWord } from '../../lib/fault/machine.js'
import { machineOf } from '../../lib/fs/pmem.js'
import { InodeWord } from '../../lib/mm/inode.js'
import { VmaWord } from '../../lib/mm/vma.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { temporaryDirectory } from '../support/temp.js'
import { outcomeOf } from './report.js'
import { type FixtureResult, runFixture } from './run-fixture.js'

const PAGES = 250
type Outcome = Record<'code' | 'message', string>
type Walk = Outcome & { page: number; zeroes: number }

function poolWithData(): string {
  const pool = temporaryDirectory()
  const pmem = mount(pool)
  const bytes = Buffer.alloc(PAGES * 4096)
  for (let page = 0; page < PAGES; page++) bytes.fill(page + 1, page * 4096, (page + 1) * 4096)
  const file = pmem.open('data.pm', { create: true })
  file.write(bytes, 0)
  file.sync()
  pmem.close()
  return pool
}

// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the caller knows the report's shape
function part<Shape>(result: FixtureResult, name: string): Shape {
  const found = result.reports.find((facts) => name in facts)
  if (found === undefined) throw new Error(`no '${name}' in ${result.stdout}\n${result.stderr}`)
  return found[name] as Shape
}

/** The mount is unusable, can be closed, and the pool is whole. */
function expectDeadButWhole(result: FixtureResult): void {
  expect(result.status, result.stderr).to.equal(0)
  expect(result.stderr).to.match(/page fault handler failed.*unusable.*\n.*injected/)
  for (const [call, { code, message }] of Object.entries(part<Record<string, Outcome>>(result, 'after'))) {
    expect(code, call).to.equal('EIO')
    expect(message, call).to.match(/mount is dead: injected/)
  }
  expect(part<Outcome>(result, 'close').code).to.equal('ok')
  expect(part<number>(result, 'wrong')).to.equal(0)
}

describe('a fault handler that throws', function () {
  this.timeout(60_000)
  before(function () {
    requireUserfaultfd(this)
  })

  for (const workers of ['1', '2', '4']) {
    for (const at of ['1', '7']) {
      it(`gives the main thread's tryRead EIO: fault ${at}, ${workers} fault workers`, () => {
        const result = runFixture('dead-mount.fixture', ['try-read', poolWithData(), workers, at])
        const walk = part<Walk>(result, 'walk')
        expect(walk).to.include({ code: 'EIO', zeroes: 0, page: Number(at) - 1 })
        expectDeadButWhole(result)
      })
    }
  }

  it("gives the main thread's tryWrite EIO", () => {
    const result = runFixture('dead-mount.fixture', ['try-write', poolWithData(), '2', '5'])
    expect(part<Walk>(result, 'walk')).to.include({ code: 'EIO', page: 4 })
    expectDeadButWhole(result)
  })

  it('kills a plain load with SIGBUS: it shows neither zeroes nor anything else', () => {
    const result = runFixture('dead-mount.fixture', ['load', poolWithData(), '2', '4'])
    expect(result.signal, result.stdout + result.stderr).to.equal('SIGBUS')
    expect(result.stderr).to.match(/injected/)
    expect(result.reports).to.deep.equal([1, 2, 3].map((byte, page) => ({ page, byte })))
  })

  it('kills the process when the plain load is in a user Worker', () => {
    const result = runFixture('dead-mount.fixture', ['worker-load', poolWithData(), '2', '4'])
    expect(result.signal, result.stdout + result.stderr).to.equal('SIGBUS')
    expect(result.reports).to.deep.equal([1, 2, 3].map((byte, page) => ({ page, byte })))
  })

  it("gives a user Worker's tryRead EIO, and the main thread's calls too", () => {
    const result = runFixture('dead-mount.fixture', ['worker-try', poolWithData(), '2', '9'])
    expect(part<Walk>(result, 'walk')).to.include({ code: 'EIO', zeroes: 0, page: 8 })
    expectDeadButWhole(result)
  })

  it('ends an msync that runs meanwhile', () => {
    const result = runFixture('dead-mount.fixture', ['msync', poolWithData(), '2', '60'])
    expect(part<Outcome>(result, 'msync').code).to.equal('EIO')
    expect(part<Walk>(result, 'walk').code).to.equal('EIO')
    expect(part<Outcome>(result, 'close').code).to.equal('ok')
    expect(part<boolean>(result, 'remounted')).to.equal(true)
  })

  it('leaves a mount that can be closed whatever the handler held', () => {
    const pool = poolWithData()
    const pmem = mount(pool)
    const file = pmem.open('data.pm')
    const map = file.mmap()
    map.tryRead(0, 1)
    // A handler that dies between any two steps: every lock it could hold, and the mapping it was serving.
    const { words, inodes, vmas } = machineOf(pmem)
    const inode = inodes.at(file.inode)
    for (const word of [InodeWord.Mmap, InodeWord.Pages, InodeWord.Blocks, InodeWord.Sync] as const) {
      words.store(inode + word, 1)
    }
    words.store(HeaderWord.Inodes, 1)
    words.add(vmas.at(1) + VmaWord.Users, 1)
    words.store(HeaderWord.State, 2)
    expect(outcomeOf(() => pmem.list()).code).to.equal('EIO')
    expect(
      outcomeOf(() => {
        pmem.close()
      }),
    ).to.deep.equal({ code: 'ok', message: '' })
    expect(map.buffer.byteLength).to.equal(0)
    const again = mount(pool)
    expect(new Uint8Array(again.open('data.pm').mmap().buffer)[4096]).to.equal(2)
    again.close()
  })
})
