/** An error of the user's program in one line. */
const TEXT_MAX = 300

export function errorText(error: unknown): string {
  const text = error instanceof Error ? (error.message === '' ? error.name : error.message) : String(error)
  const line = text.split('\n', 1)[0] ?? ''
  return line.length > TEXT_MAX ? `${line.slice(0, TEXT_MAX)}…` : line
}
