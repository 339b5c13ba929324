/** The collector of the calling thread, made to run: for those who measure what is held, not what is still to go. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

let gc: (() => void) | undefined

/** A context is made once a thread: each is memory that fragments. */
export function collectGarbage(): void {
  gc ??= exposedCollector()
  gc()
}

function exposedCollector(): () => void {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc') as () => void
}
