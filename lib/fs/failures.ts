/** Steps that are all taken, whichever of them fails: the first error is kept for the end. */
export class Failures {
  #first: { readonly error: unknown } | undefined

  /** Take a step. */
  of(step: () => void): void {
    try {
      step()
    } catch (error) {
      this.#first ??= { error }
    }
  }

  /** Errors: the first of all steps; none when all went well. */
  throwFirst(): void {
    if (this.#first !== undefined) throw this.#first.error
  }
}
