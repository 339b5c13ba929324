/**
 * The last close of a file counts the blocks media holds, and opens the note of them to do so. Without a descriptor
 * left it threw EMFILE half-way, and never gave back the descriptors it held itself.
 */
import { execFileSync } from 'node:child_process'
import { closeSync, openSync, readdirSync, readlinkSync } from 'node:fs'
import { expect } from 'chai'
import { PAGE, Pool } from '../fault/pool.js'
import { requireUserfaultfd } from '../support/require-uffd.js'

const descriptors = (): string[] => readdirSync('/proc/self/fd')

/** Of files of the pool, media and caches: threads of other tests may be giving theirs back meanwhile. */
function descriptorsOf(name: string): number {
  return descriptors().filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).includes(name)
    } catch {
      return false
    }
  }).length
}

function limitDescriptors(soft: string): void {
  execFileSync('prlimit', ['--pid', String(process.pid), `--nofile=${soft}:`])
}

/** Do something while this process has no descriptor left. */
function withoutDescriptors(work: () => void): void {
  const [soft] = execFileSync('prlimit', ['--pid', String(process.pid), '--nofile', '--noheadings', '--output=SOFT'], {
    encoding: 'utf8',
  }).match(/\d+/) as RegExpMatchArray
  const taken: number[] = []
  limitDescriptors(String(Math.max(...descriptors().map(Number)) + 20))
  try {
    expect(() => {
      for (;;) taken.push(openSync('/dev/null', 'r'))
    }).to.throw(/EMFILE/)
    work()
  } finally {
    for (const fd of taken) closeSync(fd)
    limitDescriptors(soft)
  }
}

describe('close of a file without a descriptor left', () => {
  let pool: Pool

  before(function () {
    requireUserfaultfd(this)
  })

  beforeEach(() => (pool = new Pool({ capacity: 16 * PAGE })))
  afterEach(() => {
    pool.close()
  })

  it('gives back what it held, and the blocks it never wrote', () => {
    const name = 'closed-without-descriptors.pm'
    const file = pool.holes(8, name)
    expect(descriptorsOf(name)).to.equal(2)
    file.fallocate({ offset: 0, length: 4 * PAGE })
    file.sync()
    withoutDescriptors(() => {
      file.close()
    })
    expect(descriptorsOf(name)).to.equal(0)
    const again = pool.pmem.open(file.name)
    expect(again.stat().blocks).to.equal(32)
    pool.holes(12, 'b.pm').fallocate({ offset: 0, length: 12 * PAGE })
  })
})
