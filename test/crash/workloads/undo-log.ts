/**
 * Money moves between accounts in transactions with an undo log: old values are made durable in the log, then the log
 * is made valid, then the accounts change in place, and when they are durable the log is made empty. Recovery puts old
 * values back while the log is valid.
 *
 *   0     entries in the log (8 bytes); 0: nothing to undo
 *   64    entries of a line: account, old value
 *   512   accounts, a line each
 */
import type { CrashTest, Region } from '../../../lib/index.js'

const ENTRIES = 64
const ACCOUNTS = 512
const LINE = 64
const START = 100

export interface UndoLogSteps {
  flushLog: boolean
  fenceLog: boolean
  flushCount: boolean
  fenceCount: boolean
  flushAccounts: boolean
  fenceAccounts: boolean
  flushEnd: boolean
  fenceEnd: boolean
  /** Recovery makes the old values durable before it empties the log. */
  persistUndo: boolean
}

const CORRECT: UndoLogSteps = {
  flushLog: true,
  fenceLog: true,
  flushCount: true,
  fenceCount: true,
  flushAccounts: true,
  fenceAccounts: true,
  flushEnd: true,
  fenceEnd: true,
  persistUndo: true,
}

function accountAt(account: number): number {
  return ACCOUNTS + account * LINE
}

function transfer(pool: Region, from: number, to: number, amount: bigint, steps: UndoLogSteps): void {
  const changes = [
    [from, pool.load64(accountAt(from)) - amount],
    [to, pool.load64(accountAt(to)) + amount],
  ] as const
  pool.mark('log old values')
  for (const [i, [account]] of changes.entries()) {
    pool.store64(ENTRIES + i * LINE, account)
    pool.store64(ENTRIES + i * LINE + 8, pool.load64(accountAt(account)))
  }
  pool.mark('persist log')
  if (steps.flushLog) pool.flush(ENTRIES, changes.length * LINE)
  if (steps.fenceLog) pool.fence()
  pool.mark('make log valid')
  pool.store64(0, changes.length)
  pool.mark('persist log count')
  if (steps.flushCount) pool.flush(0, 8)
  if (steps.fenceCount) pool.fence()
  pool.mark('change accounts')
  for (const [account, value] of changes) pool.store64(accountAt(account), value)
  pool.mark('persist accounts')
  if (steps.flushAccounts) for (const [account] of changes) pool.flush(accountAt(account), 8)
  if (steps.fenceAccounts) pool.fence()
  pool.mark('empty log')
  pool.store64(0, 0)
  pool.mark('persist empty log')
  if (steps.flushEnd) pool.flush(0, 8)
  if (steps.fenceEnd) pool.fence()
}

function undo(pool: Region, steps: UndoLogSteps): void {
  const entries = Number(pool.load64(0))
  for (let i = 0; i < entries; i++) {
    const at = accountAt(Number(pool.load64(ENTRIES + i * LINE)))
    pool.store64(at, pool.load64(ENTRIES + i * LINE + 8))
    if (steps.persistUndo) pool.persist(at, 8)
  }
  if (entries === 0) return
  pool.store64(0, 0)
  pool.persist(0, 8)
}

function undoLog(name: string, changes: Partial<UndoLogSteps> = {}): CrashTest<Region, bigint[]> {
  const steps = { ...CORRECT, ...changes }
  return {
    name: `undo log, ${name}`,
    size: ACCOUNTS + 3 * LINE,
    setup(pool) {
      for (let account = 0; account < 3; account++) pool.store64(accountAt(account), START)
    },
    workload(pool) {
      pool.operation('move 30 from 0 to 1', () => transfer(pool, 0, 1, 30n, steps))
      pool.operation('move 50 from 1 to 2', () => transfer(pool, 1, 2, 50n, steps))
    },
    recover(pool) {
      undo(pool, steps)
      return [0, 1, 2].map((account) => pool.load64(accountAt(account)))
    },
    check(balances) {
      const sum = balances.reduce((total, balance) => total + balance, 0n)
      return sum === BigInt(3 * START) || `the accounts hold ${sum} instead of ${3 * START}`
    },
    usable(pool) {
      return pool.load64(0) === 0n
    },
  }
}

export const correct = undoLog('correct')
export const logNotFlushed = undoLog('log not flushed', { flushLog: false })
export const logNotFenced = undoLog('log not fenced', { fenceLog: false })
export const countNotFlushed = undoLog('count not flushed', { flushCount: false })
export const countNotFenced = undoLog('count not fenced', { fenceCount: false })
export const accountsNotFlushed = undoLog('accounts not flushed', { flushAccounts: false })
export const accountsNotFenced = undoLog('accounts not fenced', { fenceAccounts: false })
export const endNotFlushed = undoLog('end not flushed', { flushEnd: false })
export const recoveryNotPersistent = undoLog('recovery not persistent', { persistUndo: false })
