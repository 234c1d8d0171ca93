import type { Loop } from './loop.ts'
import type { Connection, OpenOne } from './protocols/connection.ts'
import type { Tally } from './tally.ts'

/** Each connection sends its next request when it has its answer: shows how much the measured process can do. */
export function closedLoop(open: OpenOne, next: () => Buffer, tally: Tally, connections: number): Loop {
  let stopped = false
  let underWay = connections
  let drained: () => void = () => undefined

  const answered = (connection: Connection, status: number) => {
    const now = performance.now()
    tally.count(status, now - connection.sentAt)
    if (!stopped) return connection.send(next(), now)
    connection.close()
    if (--underWay === 0) drained()
  }

  for (let i = 0; i < connections; i++) open(answered, i).send(next(), performance.now())
  return {
    stop: () =>
      new Promise(resolve => {
        drained = resolve
        stopped = true
      }),
  }
}
