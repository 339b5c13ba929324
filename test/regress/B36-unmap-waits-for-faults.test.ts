/** Taking something down while somebody still works on it: a mapping waits until the last fault on it is served. */
import { expect } from 'chai'
import { VmaWord } from '../../lib/mm/vma.js'
import { attachSmall, mapFile, smallKernel } from '../support/small-kernel.js'

describe('unmapping while a fault is being served', () => {
  it('B36: waits for it', () => {
    const kernel = smallKernel()
    const { vmas, words } = kernel
    const vma = mapFile(kernel, 1)
    const worker = attachSmall(kernel.handle)
    expect(worker.vmas.acquire(vmas.addressOf(vma))).to.equal(vma)
    const wait = words.wait.bind(words)
    let waited = false
    words.wait = (at, expected, timeout) => {
      words.wait = wait
      waited = at === vmas.at(vma) + VmaWord.Users
      worker.vmas.unuse(vma)
      return wait(at, expected, timeout)
    }
    expect(vmas.retire(vma)).to.equal(true)
    expect(waited).to.equal(true)
    vmas.release(vma)
  })
})
