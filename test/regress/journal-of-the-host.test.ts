/** explore({ resume }) threw what the host said of the file as an error of Node; JournalError is what it documents. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Region, explore } from '../../lib/index.js'
import { temporaryDirectory } from '../support/temp.js'

async function resumedAt(resume: string): Promise<string> {
  const workload = (region: Region): void => region.store64(0, 1n)
  try {
    await explore({ name: 'one store', size: 4096, workload, recover: () => undefined }, { resume })
    return 'went well'
  } catch (error) {
    return String(error)
  }
}

describe('a journal that the host does not give', () => {
  it('is a JournalError that names it and says why', async () => {
    const folder = temporaryDirectory()
    const directory = join(folder, 'directory')
    const file = join(folder, 'file')
    mkdirSync(directory)
    writeFileSync(file, '')
    const cases: readonly (readonly [path: string, code: string])[] = [
      [join(folder, 'n'.repeat(300)), 'ENAMETOOLONG'],
      [join(folder, 'nowhere', 'journal'), 'ENOENT'],
      [join(file, 'journal'), 'ENOTDIR'],
      [directory, 'EISDIR'],
    ]
    for (const [path, code] of cases) {
      expect(await resumedAt(path)).to.match(new RegExp(`^JournalError: ${path} cannot be used as a journal: ${code}`))
    }
    expect(await resumedAt(join(folder, 'journal'))).to.equal('went well')
  })
})
