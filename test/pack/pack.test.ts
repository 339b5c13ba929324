/** What is published. `npm run test:pack` installs it into an empty project. */
import { expect } from 'chai'
import { readSource } from '../support/sources.js'
import { pack } from './pack.js'

describe('the package', function () {
  this.timeout(60_000)

  it('has what a user needs, and nothing of the tests', () => {
    const paths = pack().files.map(({ path }) => path)
    const { main, types, bin, exports } = JSON.parse(readSource('package.json').text) as {
      readonly main: string
      readonly types: string
      readonly bin: Record<string, string>
      readonly exports: Record<string, Record<string, string>>
    }
    const entries = [
      main,
      types,
      ...Object.values(bin),
      ...Object.values(exports).flatMap((each) => Object.values(each)),
    ]
    const needed = [
      'README.md',
      'LICENSE',
      'binding.gyp',
      'native/addon.cc',
      'native/install.mjs',
      'native/up-to-date.mjs',
    ]
    for (const path of [...entries.map((entry) => entry.replace('./', '')), ...needed]) expect(paths).to.include(path)
    // Started by path at run time.
    for (const name of ['fault/fault-worker', 'crash/isolated-child', 'stress/worker', 'replay/scenario-process']) {
      expect(paths).to.include(`dist/lib/${name}.js`)
    }
    expect(paths.filter((path) => /^(dist\/test|test|lib|build|node_modules)\//.test(path))).to.deep.equal([])
  })
})
