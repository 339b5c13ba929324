/** The kinds of faults of `faultline bench faults`: faults.ts says what each is. */
export const FAULT_OPS = ['read', 'hole-read', 'write', 'mkwrite', 'minor'] as const
export type FaultOp = (typeof FAULT_OPS)[number]
