/** One line of the probe. */
export interface Capability {
  readonly name: string
  readonly ok: boolean
  /** Mounting is impossible without it. */
  readonly needed: boolean
  /** What was found, for people. */
  readonly detail: string
  /** Why it is missing, or what is lost without it. */
  readonly reason?: string
  /** What to do: a command where there is one; several ways out are a line each. */
  readonly remedy?: string
}

export function present(name: string, needed: boolean, detail: string): Capability {
  return { name, ok: true, needed, detail }
}

export function missing(name: string, needed: boolean, detail: string, reason: string, remedy: string): Capability {
  return { name, ok: false, needed, detail, reason, remedy }
}
