/** Folders of media files, as the host sees them. */
import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'

/** Holes stay holes: a large pool that is mostly empty is copied quickly. */
export function copyPool(from: string, to: string): void {
  execFileSync('cp', ['-a', '--sparse=always', '--reflink=auto', from, to])
}

/** Names that are files of a pool. */
export function filesIn(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
    .map(({ name }) => name)
}
