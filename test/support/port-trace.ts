/** What kernel code asked of its ports, in order: 'unmap 1:3+1', 'map v2:3 zero r', 'writeback 1:12288+4096'. */
export class PortTrace {
  readonly calls: string[] = []
  /** Runs inside each call, before it acts: the place to look at the state that holds at that moment, or to wait. */
  onCall: (call: string) => void = () => undefined

  note(call: string): void {
    this.calls.push(call)
    this.onCall(call)
  }

  /** The calls since the last take. */
  take(): string[] {
    return this.calls.splice(0)
  }
}
