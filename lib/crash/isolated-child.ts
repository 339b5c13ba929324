/**
 * The process in which a campaign runs, so that nothing a user's code does to a process ends the campaign. Told what to
 * do by isolate.ts, which starts it again after it has died.
 */
import { loadCrashTest } from './load-test.js'
import { runCampaign } from './campaign.js'
import { type ExploreOptions, resolveExploreOptions } from './explore-options.js'
import { withoutExit } from './guard.js'
import { errorText } from './error-text.js'
import type { Report } from './report.js'
import { recordAny } from './explore.js'
import type { Counts } from './exploration.js'

export interface ChildRequest {
  readonly path: string
  readonly exportName: string | undefined
  readonly options: Omit<ExploreOptions, 'onProgress'>
  readonly mayShrink: boolean
}

export type ChildMessage =
  | { readonly type: 'counts'; readonly counts: Counts }
  /** What the process is about to do; when it dies, that was it. */
  | { readonly type: 'phase'; readonly phase: 'workload' | 'images' | 'shrinking' }
  | { readonly type: 'report'; readonly report: Report }
  | { readonly type: 'error'; readonly message: string; readonly name: string }

const send = process.send?.bind(process)

function tell(message: ChildMessage): void {
  send?.(message)
}

async function work({ path, exportName, options, mayShrink }: ChildRequest): Promise<void> {
  const resolved = resolveExploreOptions({ ...options, onProgress: (counts) => tell({ type: 'counts', counts }) })
  const test = await loadCrashTest(path, exportName, 'test')
  tell({ type: 'phase', phase: 'workload' })
  const subject = await withoutExit(() => recordAny(test, resolved))
  tell({ type: 'phase', phase: 'images' })
  const onShrink = (): void => tell({ type: 'phase', phase: 'shrinking' })
  try {
    const report = await runCampaign(subject, { ...resolved, isStrict: true, mayShrink, onShrink })
    tell({ type: 'report', report })
  } finally {
    subject.close()
  }
}

if (send !== undefined) {
  process.once('message', (request) => {
    work(request as ChildRequest)
      .catch((error: unknown) => {
        tell({ type: 'error', message: errorText(error), name: error instanceof Error ? error.name : 'Error' })
      })
      .finally(() => process.disconnect())
  })
}
