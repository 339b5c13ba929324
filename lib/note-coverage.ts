/** Coverage of processes that are killed as a matter of course: it is written down when one ends, and these do not. */
import { takeCoverage } from 'node:v8'

/** Write down what this thread has run, when that is asked for (NODE_V8_COVERAGE). Before whatever gets it killed. */
export function noteCoverage(): void {
  if (process.env['NODE_V8_COVERAGE'] !== undefined) takeCoverage()
}
