/** The load generator, in a process of its own, told by its parent what to send and when to count. */
import { clientLoop } from './client-loop.ts'
import { closedLoop } from './closed-loop.ts'
import type { Loop } from './loop.ts'
import type { FromLoad, LoadPlan, ToLoad } from './messages.ts'
import { openLoop } from './open-loop.ts'
import { atRandom, buildRequests } from './requests.ts'
import { Tally } from './tally.ts'

const tally = new Tally()
/** So many batches have 1,600 checks under way. With 64, checks would wait longer than their time-out on a slow machine. */
const BATCH_CONNECTIONS = 16
const SINGLE_CONNECTIONS = 64

let loop: Loop | undefined

function start({ port, requests, ratePerSecond }: LoadPlan): Loop {
  if (requests === 'client-shared' || requests === 'client-single') {
    return clientLoop(port, tally, requests === 'client-shared')
  }
  const next = atRandom(buildRequests(requests))
  if (ratePerSecond !== undefined) return openLoop(port, next, tally, ratePerSecond)
  return closedLoop(port, next, tally, requests === 'batch' ? BATCH_CONNECTIONS : SINGLE_CONNECTIONS)
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
