import { beforeEach, describe, expect, it } from '@jest/globals'
import { Checker } from '../../../src/check/checker.ts'
import { DenialCache } from '../../../src/check/denial-cache.ts'
import { LocalBuckets } from '../../../src/check/local-buckets.ts'
import type { CheckResult, OpenQueue } from '../../../src/check/pending-check.ts'
import type { CheckObserver } from '../../../src/check/ports.ts'
import { PolicyTable } from '../../../src/domain/policy-table.ts'
import { Problem } from '../../../src/lib/errors.ts'
import { limitOf, policyOf } from '../../support/policies.ts'

const MOST_WAITING = 3
const FULL = 10

/** Its bucket would allow in the next millisecond, so a denial expires as soon as it is remembered. */
const policy = policyOf('default', { limits: [limitOf({ capacity: FULL, refillTokens: 1, refillIntervalMs: 1 })] })

/** A queue whose checks the test answers. */
class HeldQueue {
  readonly #waiting: { answer: (spent: number | undefined) => void }[] = []

  readonly open: OpenQueue = onReading => {
    const waiting = this.#waiting
    return {
      get waiting() {
        return waiting.length
      },
      enqueue: check =>
        void waiting.push({
          answer: spent =>
            onReading(
              check,
              spent === undefined ? undefined : { allowed: spent < FULL, spent: [spent], refillPausedMs: 0 },
              0,
            ),
        }),
    }
  }

  get length(): number {
    return this.#waiting.length
  }

  /** Answers the oldest check; `undefined` means that the store cannot be asked. */
  async answer(spent: number | undefined): Promise<void> {
    this.#waiting.shift()?.answer(spent)
    await new Promise(resolve => setImmediate(resolve))
  }
}

let queue: HeldQueue
let checker: Checker
let results: string[]
let nowMs: number
beforeEach(() => {
  nowMs = 0
  queue = new HeldQueue()
  results = []
  checker = new Checker({
    policies: new PolicyTable(policy),
    openQueue: queue.open,
    denialCache: new DenialCache(() => performance.now()),
    localBuckets: new LocalBuckets({
      now: () => nowMs,
      outageOf: () => ({ elapsedMs: 0, refillPausedMs: 0 }),
      processes: () => 1,
    }),
    observer: { decided: () => undefined, undecided: () => undefined } as Partial<CheckObserver> as CheckObserver,
    onStoreFailure: 'local',
    maxWaiting: MOST_WAITING,
  })
})

function ask(times: number): void {
  for (let i = 0; i < times; i++) checker.check('a', 1, result => results.push(inShort(result)))
}

function inShort(result: CheckResult): string {
  return result instanceof Problem ? result.code : `${result.allowed ? 'allowed' : 'denied'} by ${result.source}`
}

async function givenDenied(): Promise<void> {
  ask(1)
  await queue.answer(FULL)
  expect(results.splice(0)).toEqual(['denied by redis'])
}

describe('repetitions of a denied check', () => {
  it('wait for the first of them, and ask the store themselves if it is allowed', async () => {
    await givenDenied()
    ask(3)
    expect(queue.length).toBe(1)
    await queue.answer(FULL - 1)
    expect([results, queue.length]).toEqual([['allowed by redis'], 2])
    await queue.answer(FULL - 1)
    await queue.answer(FULL)
    expect(results).toEqual(['allowed by redis', 'allowed by redis', 'denied by redis'])
  })

  it('are answered from the denial of the first of them', async () => {
    await givenDenied()
    ask(3)
    // Spent so far beyond the capacity that the bucket allows again only in a minute.
    await queue.answer(FULL + 60_000)
    expect(results).toEqual(['denied by redis', 'denied by denied-cache', 'denied by denied-cache'])
    expect(queue.length).toBe(0)
  })

  it('ask the store themselves if the first of them gets no answer', async () => {
    await givenDenied()
    ask(3)
    await queue.answer(undefined)
    expect([results, queue.length]).toEqual([['allowed by local'], 2])
  })

  it('count as waiting until they are answered', async () => {
    await givenDenied()
    ask(MOST_WAITING + 1)
    expect([results.splice(0), queue.length]).toEqual([['overloaded'], 1])
    await queue.answer(FULL + 60_000)
    expect(results.splice(0)).toHaveLength(MOST_WAITING)
    checker.check('b', 1, result => results.push(inShort(result)))
    await queue.answer(1)
    expect(results).toEqual(['allowed by redis'])
  })
})

describe('a share that was used in an outage', () => {
  it('is granted again once the store has found the bucket full, and no sooner than it would have refilled', async () => {
    const askLocally = async () => {
      ask(1)
      await queue.answer(undefined)
      return results.pop()
    }
    for (let i = 0; i < FULL; i++) expect(await askLocally()).toBe('allowed by local')
    ask(1)
    await queue.answer(2)
    expect([results.pop(), await askLocally()]).toEqual(['allowed by redis', 'denied by local'])
    nowMs = FULL - 1
    ask(1)
    await queue.answer(1)
    expect([results.pop(), await askLocally()]).toEqual(['allowed by redis', 'denied by local'])
    nowMs = FULL
    ask(1)
    await queue.answer(1)
    expect([results.pop(), await askLocally()]).toEqual(['allowed by redis', 'allowed by local'])
  })
})

describe('a check that cannot be answered because of a bug', () => {
  it('gets an internal problem, and the other checks are answered', async () => {
    const answers: string[] = []
    checker.check('a', 1, result => {
      if (result instanceof Problem) answers.push(`${result.code}: ${(result.cause as Error).message}`)
      else throw new Error('a bug')
    })
    checker.check('b', 1, result => answers.push(inShort(result)))
    await queue.answer(1)
    await queue.answer(1)
    expect(answers).toEqual(['internal: a bug', 'allowed by redis'])
  })

  it('gets an internal problem also if it waited for the result of another check', async () => {
    await givenDenied()
    ask(1)
    const answers: string[] = []
    checker.check('a', 1, result => {
      if (result instanceof Problem) answers.push(result.code)
      else throw new Error('a bug')
    })
    ask(1)
    await queue.answer(FULL + 60_000)
    expect([answers, results]).toEqual([['internal'], ['denied by redis', 'denied by denied-cache']])
  })
})
