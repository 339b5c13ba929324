/** Where in the user's program a call of ours came from. */
import { relative } from 'node:path'
import { caller } from '../fs/caller.js'

/** Return: 'file.js:12:5', the file relative to the working directory; '' when only our own code is on the stack. */
export function callerLocation(): string {
  return shortLocation(caller())
}

/** place: an absolute path with line and column. Return: the same, relative when it is below the working directory. */
export function shortLocation(place: string): string {
  if (!place.startsWith('/')) return place
  const near = relative(process.cwd(), place)
  return near.startsWith('..') ? place : near
}
