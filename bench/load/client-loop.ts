import { Throttler } from '../../clients/typescript/src/index.ts'
import { randomKey } from './keys.ts'
import type { Loop } from './loop.ts'
import type { Tally } from './tally.ts'

const CHECKS_AT_A_TIME = 64
const TIMEOUT_MS = 10_000

/** An application with the TypeScript client: it asks 64 checks at a time, and the next 64 when it has all answers. */
export function clientLoop(port: number, tally: Tally, shareCalls: boolean): Loop {
  const url = `http://127.0.0.1:${port}`
  const throttler = new Throttler({ url, onFailure: 'throw', timeoutMs: TIMEOUT_MS, shareCalls })
  let stopped = false

  const check = async () => {
    const askedAtMs = performance.now()
    const { allowed } = await throttler.check(randomKey())
    tally.count(allowed ? 200 : 429, performance.now() - askedAtMs)
  }
  const run = async () => {
    while (!stopped) await Promise.all(Array.from({ length: CHECKS_AT_A_TIME }, check))
  }

  const ended = run()
  return {
    stop: async () => {
      stopped = true
      await ended
    },
  }
}
