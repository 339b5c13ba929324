/**
 * The process that runs scenarios for runner.ts, one after the other, and reports each record as it is made: whatever a
 * scenario does to it, the runner has what came before.
 */
import type { FlavourName } from '../dax/flavour.js'
import { noteCoverage } from '../note-coverage.js'
import type { OperationRecord } from './record.js'
import { runScenario } from './run-scenario.js'
import type { Scenario } from './scenario.js'

export interface ScenarioRequest {
  readonly scenario: Scenario
  readonly flavour: FlavourName
  readonly directory: string
}

export type ScenarioReply =
  | { readonly kind: 'records'; readonly records: OperationRecord[] }
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly message: string }

/** Records are sent in bundles: a scenario that kills the process loses no more than the operations since the last. */
const BUNDLE = 1

function reply(message: ScenarioReply): void {
  process.send?.(message)
}

process.on('message', ({ scenario, flavour, directory }: ScenarioRequest) => {
  const bundle: OperationRecord[] = []
  const flush = (): void => {
    if (bundle.length > 0) reply({ kind: 'records', records: bundle.splice(0) })
  }
  try {
    runScenario(scenario, flavour, directory, (record) => {
      bundle.push(record)
      if (bundle.length >= BUNDLE) flush()
    })
    flush()
    noteCoverage()
    reply({ kind: 'done' })
  } catch (error) {
    flush()
    reply({ kind: 'failed', message: error instanceof Error ? (error.stack ?? error.message) : String(error) })
  }
})
