/** The child process of one case: does it, prints one line of JSON, exits. */
import { writeSync } from 'node:fs'
import { measureFaults } from './fault-child.js'
import { measureFigures } from './figure-children.js'
import { type ChildRequest, isFaultCase } from './protocol.js'

/** Context: does not return. A mount that is still open then is not written back. */
export function runChild(request: ChildRequest): never {
  const { name } = request
  const result = isFaultCase(name) ? measureFaults(name, request) : measureFigures(name, request)
  writeSync(1, `${JSON.stringify(result)}\n`)
  process.exit(0)
}
