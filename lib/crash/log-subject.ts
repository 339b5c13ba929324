/** What a store log of another tool tells, made explorable: one file of it, over the image it had before. */
import type { CrashTest } from './crash-test.js'
import type { ResolvedOptions } from './explore-options.js'
import { type ParsedLog, type RegisteredFile, StoreLogError } from './pmemcheck-log.js'
import type { Region } from './region.js'
import { RegionJudge, RegionMemory } from './region-judge.js'
import { OpKind, StoreLog } from './store-log.js'
import type { Subject } from './subject.js'

/** image: the file before the run; undefined: zeroes. checker: recover, check, usable, as far as there are any. */
export function logSubject(
  { log }: ParsedLog,
  file: RegisteredFile,
  image: Uint8Array | undefined,
  checker: Partial<CrashTest<never>>,
  options: ResolvedOptions,
): Subject {
  const memory = memoryOf(Math.max(file.size, image?.length ?? 0), file.path)
  if (image !== undefined) memory.bytes.set(image)
  const test = { ...checker, workload: () => undefined } as unknown as CrashTest<Region>
  const judge = new RegionJudge(test, memory, {
    idempotent: checker.idempotent ?? checker.recover !== undefined,
    timeLimit: options.timeLimit,
    domain: options.domain,
    watchReads: options.engine === 'guided',
  })
  const own = onlyFile(log, file.number)
  const workload = own.count === 0 ? 'stored nothing to the file' : undefined
  const name = checker.name ?? file.path
  return { name, form: 'store log', log: own, base: memory, judge, workload, atomic: false, close: () => undefined }
}

/** Committed only where it is touched. Errors: StoreLogError when there is no room for the addresses. */
function memoryOf(size: number, path: string): RegionMemory {
  try {
    return new RegionMemory(size)
  } catch (error) {
    throw new StoreLogError(`${path} has ${size} bytes, which is more than can be held: ${(error as Error).message}`)
  }
}

/** Fences and marks are of no file. */
function onlyFile(log: StoreLog, file: number): StoreLog {
  const own = new StoreLog()
  for (let op = 0; op < log.count; op++) {
    const kind = log.kind(op)
    const thread = log.thread(op)
    const location = own.location(log.where(op))
    if (kind === OpKind.Fence) own.fence(thread, location)
    else if (kind === OpKind.Mark) own.mark(thread, log.word(op))
    else if (log.file(op) !== file) continue
    else if (kind === OpKind.Flush) own.flush(thread, file, log.offset(op), log.length(op), location)
    else if (log.isStore(op)) own.store(thread, file, log.offset(op), log.bytes(op), false, location)
  }
  return own
}
