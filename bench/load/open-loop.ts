import type { Loop } from './loop.ts'
import type { Connection, OpenOne } from './protocols/connection.ts'
import type { Tally } from './tally.ts'

const CONNECTIONS = 64
const NAP_MS = 0.03
const nobodyWakes = new Int32Array(new SharedArrayBuffer(4))

/**
 * Sends at a fixed rate, whether answers come or not, and counts latency from when a request was *due*: one that waits for a
 * free connection behind a slow answer is slow itself. Timers are a millisecond late or more, and without any sleep the generator
 * would take a whole core from what it measures: hence naps, which add up to a tenth of a millisecond to what is measured.
 */
export function openLoop(open: OpenOne, next: () => Buffer, tally: Tally, ratePerSecond: number): Loop {
  const begin = performance.now()
  const intervalMs = 1000 / ratePerSecond
  const free: Connection[] = []
  const overdue: number[] = []
  let overdueSent = 0
  let issued = 0
  let stopped = false
  let drained: () => void = () => undefined

  const answered = (connection: Connection, status: number) => {
    tally.count(status, performance.now() - connection.sentAt)
    const dueAt = overdue[overdueSent]
    if (dueAt !== undefined) {
      overdueSent++
      return connection.send(next(), dueAt)
    }
    free.push(connection)
    if (stopped && free.length === CONNECTIONS) drained()
  }

  const issueDue = () => {
    if (stopped) return
    for (; begin + issued * intervalMs <= performance.now(); issued++) {
      const dueAt = begin + issued * intervalMs
      const connection = free.pop()
      if (connection === undefined) overdue.push(dueAt)
      else connection.send(next(), dueAt)
    }
    Atomics.wait(nobodyWakes, 0, 0, NAP_MS)
    setImmediate(issueDue)
  }

  for (let i = 0; i < CONNECTIONS; i++) free.push(open(answered, i))
  issueDue()
  return {
    stop: async () => {
      stopped = true
      if (free.length < CONNECTIONS) await new Promise<void>(resolve => (drained = resolve))
      for (const connection of free) connection.close()
    },
  }
}
