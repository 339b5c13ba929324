/** The actors of a test: they stop with it, however it ends. */
import type { SmallKernel } from '../../support/small-kernel.js'
import { Actor } from './actor.js'

/** Call inside describe. kernelOf: of the test that runs. Return: how a test starts as many as it needs, once. */
export function useActors(kernelOf: () => SmallKernel): (count: number) => Promise<Actor[]> {
  let actors: Actor[] = []
  afterEach(async () => {
    for (const actor of actors) await actor.stop()
    actors = []
  })
  return async (count) => {
    actors = await Promise.all(Array.from({ length: count }, () => Actor.start(kernelOf().handle)))
    return actors
  }
}
