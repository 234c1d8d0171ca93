/** The load generator, in a process of its own, told by its parent what to send and when to count. */
import { clientLoop } from './client-loop.ts'
import { closedLoop } from './closed-loop.ts'
import { KINDS } from './kinds.ts'
import type { Loop } from './loop.ts'
import type { FromLoad, LoadPlan, ToLoad } from './messages.ts'
import { openLoop } from './open-loop.ts'
import type { Answered } from './protocols/connection.ts'
import { Tally } from './tally.ts'

const tally = new Tally()
let loop: Loop | undefined

function start({ port, requests, ratePerSecond }: LoadPlan): Loop {
  if (requests === 'client-shared' || requests === 'client-single') {
    return clientLoop(port, tally, requests === 'client-shared')
  }
  const kind = KINDS[requests]
  const next = atRandom(kind.requests())
  const open = (answered: Answered, index: number) => kind.open(port, answered, index)
  if (ratePerSecond !== undefined) return openLoop(open, next, tally, ratePerSecond)
  return closedLoop(open, next, tally, kind.connections)
}

/** The next request to send. */
function atRandom(requests: readonly Buffer[]): () => Buffer {
  return () => requests[Math.floor(Math.random() * requests.length)] as Buffer
}

async function stop(): Promise<void> {
  const throughput = tally.throughput()
  await loop?.stop()
  tell({ type: 'stopped', result: { ...throughput, ...tally.latencies() } })
}

function tell(message: FromLoad): void {
  process.send?.(message)
}

process.title = 'throttler-bench load'
process.on('disconnect', () => process.exit())
process.on('message', (message: ToLoad) => {
  switch (message.type) {
    case 'start':
      loop = start(message.plan)
      return tell({ type: 'started' })
    case 'measure':
      tally.clear()
      return tell({ type: 'measuring' })
    case 'stop':
      return void stop()
  }
})
