/** Where in the program a call came from. */

/** Folder of this library's compiled files, as stacks name it. */
const LIBRARY = new URL('..', import.meta.url).href
const FRAMES = 16

/** Return: 'file:line:column' of the innermost frame outside the library, or '' when there is none. */
export function caller(): string {
  const before = Error.stackTraceLimit
  Error.stackTraceLimit = FRAMES
  const { stack = '' } = new Error('location')
  Error.stackTraceLimit = before
  for (const line of stack.split('\n').slice(1)) {
    const place = /\(?((?:file:\/\/|\/|node:)[^()]+:\d+:\d+)\)?$/.exec(line)?.[1]
    if (place !== undefined && !place.startsWith(LIBRARY)) return place.replace(/^file:\/\//, '')
  }
  return ''
}
