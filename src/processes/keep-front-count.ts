import { sendTo } from './child-process.ts'
import type { SupervisedProcess } from './supervised-process.ts'

/** Keeps how many front processes were counted last, on all machines, and tells it to new ones: in an outage, these cannot count. */
export function keepFrontCount(slots: readonly SupervisedProcess[]): void {
  let latest: number | undefined
  for (const slot of slots) {
    slot.on('message', (message, child) => {
      if (message.type === 'front-count') latest = message.count
      if (message.type === 'query-observations' && latest !== undefined) {
        sendTo(child, { type: 'front-count', count: latest })
      }
    })
  }
}
