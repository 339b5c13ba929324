import { expect } from 'chai'
import { BugError } from '../../../lib/assert.js'
import { CommandError, describeFailure, describeMissing, signalStatus } from '../../../lib/cli/failure.js'
import { PmemError } from '../../../lib/index.js'

describe('what the command line says of an error', () => {
  it('is one line for what is the world’s fault', () => {
    expect(describeFailure(new CommandError("no such file: 'a'"))).to.equal("faultline: no such file: 'a'")
    const text = describeFailure(new PmemError('EBUSY', 'mount', 'mounted by process 7', 'pool'))
    expect(text).to.match(/^faultline: EBUSY.*process 7.*'pool'$/)
  })

  const hints: readonly [message: string, mend: RegExp][] = [
    ['ENOSPC: no space left, write', /TMPDIR=\/large/],
    ["ENOENT: no such file or directory, mkdtemp '/nowhere/faultline-demo-XXXXXX'", /TMPDIR=\/a\/directory/],
    ["EMFILE: too many open files, open '/a.js'", /ulimit -n 4096/],
    ['spawn /usr/bin/node EAGAIN', /ulimit -u/],
  ]
  for (const [message, mend] of hints) {
    it(`has what mends it in a second line: ${message}`, () => {
      const [first, second = '', ...rest] = describeFailure(new Error(message)).split('\n')
      expect(first).to.equal(`faultline: ${message}`)
      expect(second)
        .to.match(/^ {2}mend: /)
        .and.to.match(mend)
      expect(rest).to.deep.equal([])
    })
  }

  it('has a stack and a request only for a bug of ours', () => {
    for (const error of [new BugError('entry 7 is not locked'), new TypeError('x is undefined')]) {
      const text = describeFailure(error)
      expect(text)
        .to.match(/^faultline: /)
        .and.to.match(/\n\s+at /)
      expect(text).to.match(/This is a bug in faultline: please report it\.$/)
    }
  })

  it('is the thing itself when it is no Error', () => {
    expect(describeFailure('out of paper')).to.equal('faultline: out of paper')
  })

  it('names each way out of a missing capability in a line of its own', () => {
    const row = { name: 'x', ok: false, needed: true, detail: 'EPERM', reason: 'refused', remedy: 'first\nsecond' }
    expect(describeMissing(row)).to.deep.equal([
      '  x: EPERM',
      '    why:  refused',
      '    mend: first',
      '      or: second',
    ])
    expect(describeMissing({ name: 'x', ok: false, needed: true, detail: 'EPERM' })).to.deep.equal(['  x: EPERM'])
  })

  it('is the status of a shell for a signal', () => {
    expect([signalStatus('SIGINT'), signalStatus('SIGKILL')]).to.deep.equal([130, 137])
  })
})
