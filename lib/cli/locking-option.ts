/** --locking, for commands that mount. */
import { Option } from 'commander'
import { LOCKING_NAMES, type LockingName } from '../config.js'

export function lockingOption(): Option {
  return new Option('--locking <design>', 'what keeps page faults apart (default: entry)').choices([...LOCKING_NAMES])
}

/** The default of every mount of this command from here on, those of its child processes included. */
export function useLocking(design: LockingName | undefined): void {
  if (design !== undefined) process.env['FAULTLINE_LOCKING'] = design
}
