/** Judging mutants: the tests they name pass without them and fail with them. */
import { type Failure, runTest } from './outcome.js'
import type { Mutant } from './patches.js'
import { Scratch } from './scratch.js'

export interface Verdict {
  readonly mutant: Mutant
  /** invalid: the patch does not apply or compile, its test does not run or does not pass without it. */
  readonly result: 'killed' | 'survived' | 'invalid'
  readonly by: Failure | undefined
  readonly message: string
  readonly seconds: number
}

/**
 * Judge all, several at a time, each in its own copy of the project.
 * done: called for each as it ends.
 */
export async function judgeAll(
  mutants: readonly Mutant[],
  jobs: number,
  done: (verdict: Verdict) => void = () => undefined,
): Promise<Verdict[]> {
  const queue = [...mutants]
  const verdicts: Verdict[] = []
  const scratches: Scratch[] = []
  const removeAll = (): void => {
    for (const scratch of scratches) scratch.remove()
  }
  process.on('exit', removeAll)
  try {
    const first = new Scratch()
    scratches.push(first)
    await first.become(undefined)
    const complaints = await baseline(first, mutants, jobs)
    const work = async (scratch: Scratch): Promise<void> => {
      for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
        const verdict = await judge(scratch, mutant, complaints.get(mutant))
        verdicts.push(verdict)
        done(verdict)
      }
    }
    while (scratches.length < Math.min(jobs, mutants.length)) scratches.push(new Scratch())
    await Promise.all(scratches.map(work))
  } finally {
    process.off('exit', removeAll)
    removeAll()
  }
  return verdicts.sort((a, b) => mutants.indexOf(a.mutant) - mutants.indexOf(b.mutant))
}

/** Without any patch, file by file. Return: for each mutant whose test does not pass then, why. */
async function baseline(scratch: Scratch, mutants: readonly Mutant[], jobs: number): Promise<Map<Mutant, string>> {
  const complaints = new Map<Mutant, string>()
  const queue = [...new Set(mutants.map(({ test }) => test))]
  const work = async (): Promise<void> => {
    for (let test = queue.shift(); test !== undefined; test = queue.shift()) {
      const named = mutants.filter((mutant) => mutant.test === test)
      const grep = named.map((mutant) => `(?:${mutant.grep})`).join('|')
      try {
        const { passed, failure, message } = await runTest(scratch, test, grep, false, named.length)
        for (const mutant of named) {
          if (failure !== undefined) complaints.set(mutant, `fails without the patch too: ${message}`)
          else if (!passed.some((title) => new RegExp(mutant.grep).test(title))) {
            complaints.set(mutant, `no test of ${test} matches '${mutant.grep}'`)
          }
        }
      } catch (error) {
        for (const mutant of named) complaints.set(mutant, messageOf(error))
      }
    }
  }
  await Promise.all(Array.from({ length: jobs }, work))
  return complaints
}

async function judge(scratch: Scratch, mutant: Mutant, complaint: string | undefined): Promise<Verdict> {
  const began = performance.now()
  const verdict = (result: Verdict['result'], by: Failure | undefined, message: string): Verdict => {
    return { mutant, result, by, message, seconds: (performance.now() - began) / 1000 }
  }
  if (complaint !== undefined) return verdict('invalid', undefined, complaint)
  try {
    await scratch.become(mutant)
    const { failure, message } = await runTest(scratch, mutant.test, mutant.grep, mutant.hangs)
    if (failure === undefined) return verdict('survived', undefined, 'its test passes')
    // On a busy machine a test may be slow: only where a hang is the expected end is it one.
    if (failure === 'hang' && !mutant.hangs) return verdict('invalid', failure, `hangs, not said to: ${message}`)
    return verdict('killed', failure, message)
  } catch (error) {
    return verdict('invalid', undefined, messageOf(error))
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
