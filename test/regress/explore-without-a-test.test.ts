/**
 * explore() without a test. Failed by: "Cannot read properties of undefined", which says nothing of what was expected.
 */
import { expect } from 'chai'
import { type CrashTest, explore, exploreLive } from '../../lib/index.js'

describe('regress: no crash test', () => {
  for (const call of [explore, exploreLive]) {
    it(`is a TypeError of ${call.name} that says what must be`, async () => {
      for (const test of [undefined, null, 7, 'x']) {
        const error = await call(test as unknown as CrashTest<never>).catch((thrown: unknown) => thrown)
        expect(error).to.be.instanceOf(TypeError)
        expect((error as Error).message).to.match(/^test must be an object but received /)
      }
    })
  }
})
