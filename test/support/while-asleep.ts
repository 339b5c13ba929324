/** Interleavings without a second thread: what others do while this one sleeps. */
import type { Kernel } from '../../lib/dax/kernel.js'

/**
 * The next time the calling thread goes to sleep on an entry, `work` runs first: it is queued and holds nothing.
 * The work must wake it. Return: whether it has slept.
 */
export function whileAsleep(kernel: Kernel, work: () => void): () => boolean {
  const { waits } = kernel
  const sleep = waits.sleep.bind(waits)
  let slept = false
  waits.sleep = (thread) => {
    waits.sleep = sleep
    slept = true
    work()
    sleep(thread)
  }
  return () => slept
}
