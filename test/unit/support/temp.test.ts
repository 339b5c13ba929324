import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { temporaryDirectory } from '../../support/temp.js'

describe('temporary directories', () => {
  let ofSuite: string
  let ofTest: string

  before(() => {
    ofSuite = temporaryDirectory()
  })

  it('are new and empty', () => {
    ofTest = temporaryDirectory('label')
    expect(ofTest).to.include('label')
    expect(temporaryDirectory('label')).to.not.equal(ofTest)
    expect(readdirSync(ofTest)).to.deep.equal([])
    writeFileSync(join(ofTest, 'store.pm'), 'x')
  })

  it('go with the test that made them', () => {
    expect(existsSync(ofTest)).to.equal(false)
  })

  it('stay for the run when made outside a test', () => {
    expect(existsSync(ofSuite)).to.equal(true)
  })
})
