import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { addon } from '../../../lib/binding/load.js'

const PIECE = 65536
const { O_RDONLY = 0, O_RDWR = 0, O_CREAT = 0, O_EXCL = 0, EBADF = 0, EFAULT = 0, EINVAL = 0 } = addon.constants
const { FALLOC_FL_KEEP_SIZE = 0, FALLOC_FL_PUNCH_HOLE = 0 } = addon.constants

describe('host files', () => {
  let path: string
  let folder: number
  let file: number

  beforeEach(() => {
    path = mkdtempSync(join(tmpdir(), 'faultline-files-'))
    folder = addon.openDirectory(path)
    file = addon.openBeneath(folder, 'file', O_RDWR | O_CREAT, 0o600)
  })

  afterEach(() => {
    addon.closeFd(file)
    addon.closeFd(folder)
    rmSync(path, { recursive: true })
  })

  function write(offset: number, length: number): void {
    const data = new Uint8Array(length).fill(1)
    expect(addon.writeFile(file, addon.addressOf(data), length, offset)).to.equal(length)
  }

  it('duplicates a descriptor: the same file, closed for itself and by exec', () => {
    const copy = addon.duplicateFd(file)
    expect(copy).to.not.equal(file)
    write(0, 10)
    expect(addon.fileStatus(copy)).to.deep.equal(addon.fileStatus(file))
    expect(
      parseInt(/flags:\s+(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${copy}`, 'utf8'))?.[1] ?? '', 8) & 0o2000000,
    ).to.be.above(0)
    addon.closeFd(copy)
    expect(codeOf(() => addon.duplicateFd(copy))).to.equal('EBADF')
    expect(addon.fileStatus(file).size).to.equal(10)
  })

  function extents(from: number, to: number, pairs = 8): number[] {
    const out = new Float64Array(2 * pairs)
    return [...out.subarray(0, 2 * addon.fileExtents(file, from, to, out))].map((_, i) => out[i]!)
  }

  function codeOf(action: () => unknown): string | undefined {
    try {
      action()
    } catch (error) {
      return (error as NodeJS.ErrnoException).code
    }
    return undefined
  }

  it('opens beneath the folder only: no parent, no absolute path, no symbolic link', () => {
    mkdirSync(join(path, 'sub'))
    writeFileSync(join(path, 'sub', 'inner'), '')
    symlinkSync('file', join(path, 'link'))
    symlinkSync('sub', join(path, 'sublink'))
    addon.closeFd(addon.openBeneath(folder, 'sub/inner', O_RDONLY, 0o777))
    addon.closeFd(addon.openBeneath(folder, 'sub/../file', O_RDONLY, 0))
    const open = (name: string, flags = O_RDONLY) => codeOf(() => addon.openBeneath(folder, name, flags, 0o600))
    expect(open('../x')).to.equal('EXDEV')
    expect(open('/etc/passwd')).to.equal('EXDEV')
    expect(open('link')).to.equal('ELOOP')
    expect(open('sublink/inner')).to.equal('ELOOP')
    expect(open('none')).to.equal('ENOENT')
    expect(open('file', O_CREAT | O_EXCL)).to.equal('EEXIST')
    expect(() => addon.openBeneath(folder, 'file\0tail', O_RDONLY, 0)).to.throw(RangeError, 'NUL')
  })

  it('walks the data ranges, clipped, and goes on from the last end', () => {
    expect(addon.truncateFile(file, 8 * PIECE)).to.equal(0)
    expect(extents(0, 8 * PIECE)).to.deep.equal([])
    write(PIECE, PIECE)
    write(4 * PIECE, 2 * PIECE)
    expect(extents(0, 8 * PIECE)).to.deep.equal([PIECE, 2 * PIECE, 4 * PIECE, 6 * PIECE])
    expect(extents(0, 5 * PIECE)).to.deep.equal([PIECE, 2 * PIECE, 4 * PIECE, 5 * PIECE])
    expect(extents(0, 8 * PIECE, 1)).to.deep.equal([PIECE, 2 * PIECE])
    expect(extents(2 * PIECE, 8 * PIECE, 1)).to.deep.equal([4 * PIECE, 6 * PIECE])
    expect(extents(9 * PIECE, 10 * PIECE)).to.deep.equal([])
  })

  it('punches holes and gives the blocks back', () => {
    write(0, 3 * PIECE)
    addon.syncFile(file, false)
    const before = addon.fileStatus(file).blocks
    expect(addon.allocateFile(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PIECE, PIECE)).to.equal(0)
    expect(extents(0, 3 * PIECE)).to.deep.equal([0, PIECE, 2 * PIECE, 3 * PIECE])
    expect(addon.fileStatus(file).blocks).to.equal(before - PIECE / 512)
    expect(addon.allocateFile(file, 0, 0, 0)).to.equal(-EINVAL)
  })

  it('tells size, links and times', () => {
    write(0, 10)
    const status = addon.fileStatus(file)
    expect(status).to.include({ size: 10, links: 1 })
    expect(status.mode & 0o777).to.equal(0o600)
    expect(Math.abs(Date.now() - status.modifiedMs)).to.be.below(60_000)
    expect(addon.syncFile(file, true)).to.equal(0)
  })

  it('reads up to the end of the file, and only into memory', () => {
    write(0, 100)
    const into = new Uint8Array(200)
    expect(addon.readFile(file, addon.addressOf(into), 200, 10)).to.equal(90)
    expect(into.lastIndexOf(1)).to.equal(89)
    expect(addon.readFile(file, addon.addressOf(into), 200, 100)).to.equal(0)
    expect(addon.readFile(file, 4096, 10, 0)).to.equal(-EFAULT)
    expect(addon.writeFile(file, 4096, 10, 0)).to.equal(-EFAULT)
  })

  it('locks a file once', () => {
    const second = addon.openBeneath(folder, 'file', O_RDWR, 0)
    expect(addon.tryLockFile(file)).to.equal(true)
    expect(addon.tryLockFile(second)).to.equal(false)
    addon.closeFd(second)
  })

  it('gives -errno or throws for a closed descriptor', () => {
    const closed = addon.createEvent()
    addon.closeFd(closed)
    expect(addon.truncateFile(closed, 0)).to.equal(-EBADF)
    expect(addon.syncFile(closed, true)).to.equal(-EBADF)
    expect(addon.readFile(closed, 4096, 1, 0)).to.equal(-EBADF)
    expect(codeOf(() => addon.fileStatus(closed))).to.equal('EBADF')
    expect(codeOf(() => addon.tryLockFile(closed))).to.equal('EBADF')
    expect(
      codeOf(() => {
        addon.closeFd(closed)
      }),
    ).to.equal('EBADF')
  })
})
