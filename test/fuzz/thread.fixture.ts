/** A Worker of the fuzzer: an actor that waits for rounds. */
import { parentPort, workerData } from 'node:worker_threads'
import type { MountHandle } from '../../lib/index.js'
import { makeActor } from './make-actor.js'

export interface ThreadData {
  readonly scratch: string
  readonly thread: number
  readonly plant: string
  /** One word a thread: calls made. */
  readonly progress: SharedArrayBuffer
}

export interface Round {
  readonly handle: MountHandle
  readonly seed: number
  readonly calls: number
}

const data = workerData as ThreadData
const actor = makeActor(data)
const progress = new Int32Array(data.progress)

parentPort?.on('message', (round: Round | 'end') => {
  if (round === 'end') parentPort?.close()
  else {
    void actor
      .run(round.handle, round.seed, round.calls, () => Atomics.add(progress, data.thread, 1))
      .then((tally) => parentPort?.postMessage(tally))
  }
})
