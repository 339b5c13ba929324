import { constants } from 'node:os'
import { expect } from 'chai'
import { BugError } from '../../lib/assert.js'
import { ErrorNumber, PmemError, checkResult, errnoName, isErrno, pmemError, type ErrnoName } from '../../lib/errors.js'

describe('errors', () => {
  it('numbers errors as this system does', () => {
    for (const [name, errno] of Object.entries(constants.errno)) {
      const ours = errnoName(errno)
      if (ours === 'UNKNOWN') continue
      expect(constants.errno, `${ours} is ${errno}`).to.have.property(ours, errno)
      if (ours === name) expect(pmemError(name, 'write').errno).to.equal(errno)
    }
    expect(errnoName(constants.errno.ENOSPC)).to.equal('ENOSPC')
    expect(errnoName(-constants.errno.ENOSPC)).to.equal('ENOSPC')
    expect(errnoName(4095)).to.equal('UNKNOWN')
  })

  it('has one number for each inlined constant', () => {
    const inlined: [ErrnoName, ErrorNumber][] = [
      ['ENOENT', ErrorNumber.ENOENT],
      ['EINTR', ErrorNumber.EINTR],
      ['EIO', ErrorNumber.EIO],
      ['EBADF', ErrorNumber.EBADF],
      ['EAGAIN', ErrorNumber.EAGAIN],
      ['ENOMEM', ErrorNumber.ENOMEM],
      ['EFAULT', ErrorNumber.EFAULT],
      ['EBUSY', ErrorNumber.EBUSY],
      ['EEXIST', ErrorNumber.EEXIST],
      ['EINVAL', ErrorNumber.EINVAL],
      ['EFBIG', ErrorNumber.EFBIG],
      ['ENOSPC', ErrorNumber.ENOSPC],
      ['EOPNOTSUPP', ErrorNumber.EOPNOTSUPP],
      ['EHWPOISON', ErrorNumber.EHWPOISON],
    ]
    for (const [name, errno] of inlined) expect(errnoName(errno)).to.equal(name)
  })

  it('says what failed, where, and why', () => {
    const error = pmemError('ENOSPC', 'write', 'a.pm')
    expect(error).to.be.instanceOf(PmemError).and.instanceOf(Error)
    expect(error.message).to.equal("ENOSPC: no space left in the pool, write 'a.pm'")
    expect(error).to.include({ name: 'PmemError', code: 'ENOSPC', errno: 28, syscall: 'write', path: 'a.pm' })
  })

  it('takes the negative number of a kernel call', () => {
    expect(pmemError(-5, 'msync')).to.include({ code: 'EIO', errno: 5, message: 'EIO: input/output error, msync' })
    expect(pmemError(-4000, 'msync')).to.include({ code: 'UNKNOWN', errno: 4000 })
    expect(pmemError(-4000, 'msync').message).to.equal('UNKNOWN: error number 4000, msync')
  })

  it('has a path only when there is one', () => {
    expect(pmemError('EIO', 'fsync')).to.not.have.property('path')
  })

  it('lets a known cause replace the words of the table', () => {
    const error = new PmemError('ENOMEM', 'mmap', 'all 8 mapping records are in use (mount option maxMappings)')
    expect(error.message).to.equal('ENOMEM: all 8 mapping records are in use (mount option maxMappings), mmap')
  })

  it('calls a success that is reported as a failure our bug', () => {
    for (const failure of [0, 28, 0.5, NaN]) {
      expect(() => pmemError(failure, 'write'), String(failure)).to.throw(BugError)
    }
  })

  it('passes counts and throws failures', () => {
    expect(checkResult(0, 'write')).to.equal(0)
    expect(checkResult(4096, 'write')).to.equal(4096)
    expect(() => checkResult(-28, 'write', 'a.pm'))
      .to.throw(PmemError)
      .that.includes({ code: 'ENOSPC', path: 'a.pm' })
  })

  it('recognises errors of others by code', () => {
    expect(isErrno(pmemError('EEXIST', 'open'), 'EEXIST')).to.equal(true)
    expect(isErrno(Object.assign(new Error('x'), { code: 'EEXIST' }), 'EEXIST')).to.equal(true)
    expect(isErrno(pmemError('EEXIST', 'open'), 'ENOENT')).to.equal(false)
    expect(isErrno({ code: 'EEXIST' }, 'EEXIST')).to.equal(false)
    expect(isErrno(undefined, 'EEXIST')).to.equal(false)
  })
})
