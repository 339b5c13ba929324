import { expect } from 'chai'
import { architectureRow } from '../../../lib/binding/probe.js'
import { explainRefusal } from '../../../lib/binding/refusal.js'
import type { UserfaultfdAttempt } from '../../../lib/binding/addon.js'

function attempts(device: string, syscall: string, userMode: string): UserfaultfdAttempt[] {
  return [
    { way: 'device', ok: false, code: device },
    { way: 'syscall', ok: false, code: syscall },
    { way: 'user-mode-only', ok: false, code: userMode },
  ]
}

describe('the reason why there is no userfaultfd', () => {
  it('is a policy, when even what needs no privilege is refused', () => {
    const { reason, waysOut } = explainRefusal(attempts('ENOENT', 'EPERM', 'EPERM'))
    expect(reason).to.match(/refuses userfaultfd \(EPERM\)/)
    expect(waysOut.join('\n')).to.match(/--device \/dev\/userfaultfd/)
  })

  it('is the kernel, when it is too old for user mode only', () => {
    const { reason, waysOut } = explainRefusal(attempts('ENOENT', 'EPERM', 'EINVAL'))
    expect(reason).to.contain('before Linux 5.11')
    expect(waysOut[0]).to.contain('Linux 6.6')
  })

  it('is told by its code, when it is anything else', () => {
    expect(explainRefusal(attempts('EMFILE', 'EMFILE', 'EMFILE')).reason).to.contain('(EMFILE)')
  })

  it('has at least three ways out, each in one line', () => {
    for (const code of ['EPERM', 'ENOSYS', 'EINVAL', 'EMFILE']) {
      const { reason, waysOut } = explainRefusal(attempts(code, code, code))
      expect(waysOut.length).to.be.at.least(3)
      for (const line of [reason, ...waysOut]) expect(line).not.to.contain('\n')
    }
  })
})

describe('the probe of the architecture', () => {
  it('knows x86-64, and says of others why they will not do', () => {
    expect(architectureRow('x64')).to.include({ ok: true })
    const { ok, needed, detail, reason, remedy } = architectureRow('arm64')
    expect({ ok, needed, detail }).to.deep.equal({ ok: false, needed: true, detail: 'arm64' })
    expect(`${reason ?? ''} ${remedy ?? ''}`).to.match(/x86-64.*x86-64/)
  })
})
