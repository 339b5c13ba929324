/** The functions of a test, called under their time limit; what they return and throw in a judge's words. */
import type { CheckResult } from './crash-test.js'
import { errorText } from './error-text.js'
import { TimeLimitError, underTimeLimit } from './guard.js'
import type { Complaint, Oracle, Recovered } from './judge.js'
import { stateKey } from './state-key.js'

/** Return: what recovery finds; a promise when it is one. */
export function recoveredBy(timeLimit: number, recover: () => unknown): Recovered | Promise<Recovered> {
  const succeeded = (state: unknown): Recovered => ({ ok: true, state, key: stateKey(state) })
  const failed = (error: unknown): Recovered => ({ ok: false, ...blame('recovery', 'recovery', error) })
  try {
    return underTimeLimit(timeLimit, () => {
      const state = recover()
      return state instanceof Promise ? state.then(succeeded, failed) : succeeded(state)
    })
  } catch (error) {
    return failed(error)
  }
}

/** Return: what a check finds wrong; a promise when it is one. */
export function complaintOf(
  oracle: 'invariant' | 'usable',
  timeLimit: number,
  check: () => CheckResult | Promise<CheckResult>,
): Complaint | undefined | Promise<Complaint | undefined> {
  const name = oracle === 'usable' ? 'usable()' : 'check()'
  const say = (result: CheckResult): Complaint | undefined => {
    if (result === false) return { oracle, message: `${name} said no` }
    return typeof result === 'string' ? { oracle, message: result } : undefined
  }
  const failed = (error: unknown): Complaint => blame(oracle, name, error)
  try {
    const result = underTimeLimit(timeLimit, check)
    return result instanceof Promise ? result.then(say, failed) : say(result)
  } catch (error) {
    return failed(error)
  }
}

function blame(oracle: Oracle, name: string, error: unknown): Complaint {
  if (error instanceof TimeLimitError) return { oracle: 'time limit', message: `${name} ${error.message}` }
  return { oracle, message: errorText(error) }
}
