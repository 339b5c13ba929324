/**
 * Random calls at every public function, from several threads: no crash, no hang, no leak, and no error that the
 * documentation does not name. `npm run test:fuzz` makes 100,000 of them.
 */
import { expect } from 'chai'
import * as chai from '../../lib/crash/chai.js'
import * as faultline from '../../lib/index.js'
import { requireUserfaultfd } from '../support/require-uffd.js'
import { readSource } from '../support/sources.js'
import { type CampaignOptions, fuzzApi, replayHint } from './campaign.js'
import { callables } from './surface.js'
import { INTERNAL, TABLE } from './table.js'

const CALLS = 3000
/** The same calls each time; `npm run test:fuzz` makes others. */
const SEED = Number(process.env['SEED'] ?? 1)

async function complaintsAbout(options: CampaignOptions): Promise<string> {
  const { complaints } = await fuzzApi(options)
  return complaints.join('\n')
}

describe('the fuzzer of the API', () => {
  it('calls every public function there is', () => {
    const known = [...Object.keys(TABLE), ...INTERNAL].sort()
    // One that is missing on the left was added to the package: say how it is called in test/fuzz/surface-*.ts.
    expect(known).to.deep.equal([...callables(faultline), ...callables(chai)].sort())
    const { exports } = JSON.parse(readSource('package.json').text) as { exports: object }
    expect(Object.keys(exports), 'entry points of the package').to.deep.equal(['.', './chai'])
  })

  it('finds nothing undocumented, and nothing left behind', async function () {
    requireUserfaultfd(this)
    this.timeout(180_000)
    const options = { seed: SEED, calls: CALLS, threads: 2 }
    const { complaints, calls, outcomes } = await fuzzApi(options)
    expect(complaints, replayHint(options)).to.deep.equal([])
    expect(calls).to.be.at.least(CALLS)
    expect(outcomes['returned'], 'calls that did something').to.be.greaterThan(CALLS / 4)
  })

  it('notices an undocumented error, an accident of the engine, and a leak', async function () {
    requireUserfaultfd(this)
    this.timeout(180_000)
    const found = await complaintsAbout({ seed: 1, calls: 600, threads: 1, plant: 'throws accident leaks' })
    expect(found).to.match(/throws\(1\): undocumented Error: planted/)
    expect(found).to.match(/accident\(1\): undocumented TypeError: Cannot read properties of undefined/)
    expect(found).to.match(/leak: descriptors \d+ before, \d+ after/)
  })

  it('notices a crash, and says which call it was', async function () {
    requireUserfaultfd(this)
    this.timeout(180_000)
    const found = await complaintsAbout({ seed: 1, calls: 600, threads: 1, plant: 'crashes' })
    expect(found).to.match(/^ended with (SIGSEGV|139)/)
    expect(found).to.match(/crashes\(1\)/)
  })

  it('notices a hang, and says which call it was', async function () {
    requireUserfaultfd(this)
    this.timeout(180_000)
    const found = await complaintsAbout({ seed: 1, calls: 600, threads: 1, plant: 'hangs', silenceMs: 8000 })
    expect(found).to.match(/^no call for 8000 ms/)
    expect(found).to.match(/hangs\(1\)/)
  })
})
