import { beforeEach, describe, expect, it } from '@jest/globals'
import { OWN_LIMIT_WEIGHT } from '../../../src/check/check-weight.ts'
import { Checker } from '../../../src/check/checker.ts'
import { DenialCache } from '../../../src/check/denial-cache.ts'
import { LocalBuckets } from '../../../src/check/local-buckets.ts'
import type { CheckResult, OpenQueue } from '../../../src/check/pending-check.ts'
import { PolicyLookup } from '../../../src/check/policy-lookup.ts'
import type { CheckObserver } from '../../../src/check/ports.ts'
import { configPartition } from '../../../src/domain/partition.ts'
import { PolicyTable } from '../../../src/domain/policy-table.ts'
import { Problem } from '../../../src/lib/errors.ts'
import { definitionOf, limitOf, policyOf } from '../../support/policies.ts'

const MOST_WAITING = 3
const FULL = 10

/** Its bucket would allow in the next millisecond, so a denial expires as soon as it is remembered. */
const policy = policyOf('default', { limits: [limitOf({ capacity: FULL, refillTokens: 1, refillIntervalMs: 1 })] })

/** A queue whose checks the test answers. */
class HeldQueue {
  readonly weights: number[] = []
  readonly #waiting: { startMs: number; answer: (spent: number | undefined) => void }[] = []

  readonly open: OpenQueue = onReading => {
    const waiting = this.#waiting
    return {
      get waiting() {
        return waiting.length
      },
      enqueue: check => {
        this.weights.push(check.weight)
        waiting.push({
          startMs: check.startMs,
          answer: spent =>
            onReading(
              check,
              spent === undefined ? undefined : { allowed: spent < FULL, spent: [spent], refillPausedMs: 0 },
              0,
            ),
        })
      },
    }
  }

  /** When the time of each check began. */
  get starts(): number[] {
    return this.#waiting.map(({ startMs }) => startMs)
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
let table: PolicyTable
let rereads: { readonly partition: number; resolve(): void }[]
let checker: Checker
let results: string[]
let nowMs: number
/** When policies were prepared. */
let prepared: number[]
/** What the observer was told of decisions. */
let observed: string[]
beforeEach(() => {
  observed = []
  nowMs = 0
  queue = new HeldQueue()
  results = []
  table = new PolicyTable(policy)
  rereads = []
  prepared = []
  checker = new Checker({
    policies: new PolicyLookup(table, partition => new Promise(resolve => rereads.push({ partition, resolve }))),
    prepare: () => void prepared.push(performance.now()),
    openQueue: queue.open,
    denialCache: new DenialCache(() => performance.now()),
    localBuckets: new LocalBuckets({
      now: () => nowMs,
      outageOf: () => ({ elapsedMs: 0, isRunning: false, refillPausedMs: 0 }),
      calendarNow: Date.now,
      processes: () => 1,
    }),
    observer: {
      decided: ({ source }, _seconds, requestId) => void observed.push(`${source} for ${requestId}`),
      undecided: () => undefined,
    } as Partial<CheckObserver> as CheckObserver,
    onStoreFailure: 'local',
    maxWaiting: MOST_WAITING,
  })
})

function ask(times: number): void {
  for (let i = 0; i < times; i++) checker.check({ key: 'a', tokens: 1 }, result => results.push(inShort(result)))
}

function inShort(result: CheckResult): string {
  return result instanceof Problem ? result.code : `${result.allowed ? 'allowed' : 'denied'} by ${result.source}`
}

async function givenDenied(): Promise<void> {
  ask(1)
  await queue.answer(FULL)
  expect(results.splice(0)).toEqual(['denied by redis'])
}

describe('the observer', () => {
  it('is told of every decision, with the id of the request', async () => {
    await givenDenied()
    for (const id of ['first', 'second']) checker.check({ key: 'a', tokens: 1 }, () => undefined, { id })
    await queue.answer(FULL + 60_000)
    checker.check({ key: 'a', tokens: 1 }, () => undefined, { id: 'third' })
    checker.checkAll([{ key: 'b', tokens: 1 }], () => undefined, { id: 'batch' })
    await queue.answer(1)
    expect(observed).toEqual([
      'redis for undefined',
      'redis for first',
      'denied-cache for second',
      'denied-cache for third',
      'redis for batch',
    ])
  })
})

it('checks of one call by different limits that came with it weigh more for the store', () => {
  const [first, second] = [policyOf('request', {}, 0), policyOf('request', {}, 0)]
  checker.check({ key: 'a', tokens: 1, resolvedPolicy: first }, () => undefined)
  const checks = [first, second].map(resolvedPolicy => ({ key: 'b', tokens: 1, resolvedPolicy }))
  checker.checkAll(checks, () => undefined)
  expect(queue.weights).toEqual([1, OWN_LIMIT_WEIGHT, OWN_LIMIT_WEIGHT])
})

it('checks by several limits weigh more for the store', () => {
  const limits = ['second', 'minute', 'day'].map(name => limitOf({ name }))
  checker.check({ key: 'a', tokens: 1, resolvedPolicy: policyOf('a', { limits }) }, () => undefined)
  expect(queue.weights).toEqual([2])
})

describe('the time of a check', () => {
  it('begins once its policy is prepared', () => {
    ask(1)
    expect(prepared).toHaveLength(1)
    expect(Math.min(...queue.starts)).toBeGreaterThanOrEqual(Math.max(...prepared))
  })

  it('that came with others begins once the policies of all are prepared', () => {
    checker.checkAll(
      [
        { key: 'a', tokens: 1 },
        { key: 'b', tokens: 1 },
      ],
      () => undefined,
    )
    expect(prepared).toHaveLength(2)
    expect(Math.min(...queue.starts)).toBeGreaterThanOrEqual(Math.max(...prepared))
  })
})

describe('a check whose deadline has passed', () => {
  it('is decided at once, without the store', () => {
    checker.check({ key: 'a', tokens: 1, deadlineMs: performance.now() - 1 }, result => results.push(inShort(result)))
    expect([results, queue.length]).toEqual([['allowed by local'], 0])
  })
})

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

  it('do not wait for one that may take longer than they have time', async () => {
    await givenDenied()
    ask(1)
    checker.check({ key: 'a', tokens: 1, deadlineMs: performance.now() + 60_000 }, () => undefined)
    expect(queue.length).toBe(2)
  })

  it('wait for one that ends before their deadline', async () => {
    await givenDenied()
    for (const deadlineMs of [60_000, 61_000]) {
      checker.check({ key: 'a', tokens: 1, deadlineMs: performance.now() + deadlineMs }, () => undefined)
    }
    expect(queue.length).toBe(1)
  })

  it('count as waiting until they are answered', async () => {
    await givenDenied()
    ask(MOST_WAITING + 1)
    expect([results.splice(0), queue.length]).toEqual([['overloaded'], 1])
    await queue.answer(FULL + 60_000)
    expect(results.splice(0)).toHaveLength(MOST_WAITING)
    checker.check({ key: 'b', tokens: 1 }, result => results.push(inShort(result)))
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
    checker.check({ key: 'a', tokens: 1 }, result => {
      if (result instanceof Problem) answers.push(`${result.code}: ${(result.cause as Error).message}`)
      else throw new Error('a bug')
    })
    checker.check({ key: 'b', tokens: 1 }, result => answers.push(inShort(result)))
    await queue.answer(1)
    await queue.answer(1)
    expect(answers).toEqual(['internal: a bug', 'allowed by redis'])
  })

  it('gets an internal problem also if it waited for the result of another check', async () => {
    await givenDenied()
    ask(1)
    const answers: string[] = []
    checker.check({ key: 'a', tokens: 1 }, result => {
      if (result instanceof Problem) answers.push(result.code)
      else throw new Error('a bug')
    })
    ask(1)
    await queue.answer(FULL + 60_000)
    expect([answers, results]).toEqual([['internal'], ['denied by redis', 'denied by denied-cache']])
  })
})

describe('a check that names a policy', () => {
  const gold = () => {
    table.set('plan:gold', 1, definitionOf({ limits: [limitOf({ capacity: 1_000 })] }))
  }
  const inDetail = (result: CheckResult) =>
    result instanceof Problem ? result.code : `${result.policy.configKey} for ${result.key}`
  const askFor = (...policies: (string | undefined)[]) =>
    checker.checkAll(
      policies.map((policy, i) => ({ key: `k${i}`, tokens: 1, ...(policy !== undefined && { policy }) })),
      (result, _tookMs, index) => results.push(`${index}: ${inDetail(result)}`),
    )
  const settle = async () => {
    for (const { resolve } of rereads.splice(0)) resolve()
    await new Promise(resolve => setImmediate(resolve))
  }
  const answerAll = async () => {
    while (queue.length > 0) await queue.answer(1)
  }

  it('is decided by it at once if the process knows it', async () => {
    gold()
    checker.check({ key: 'a', tokens: 1, policy: 'plan:gold' }, result => results.push(inDetail(result)))
    checker.check({ key: 'a', tokens: 1 }, result => results.push(inDetail(result)))
    await answerAll()
    expect([results, rereads]).toEqual([['plan:gold for a', 'default for a'], []])
  })

  it('waits for one more read of the log of this policy, and is decided by what that brings', async () => {
    checker.check({ key: 'a', tokens: 1, policy: 'plan:gold' }, result => results.push(inDetail(result)))
    expect(rereads).toMatchObject([{ partition: configPartition('plan:gold') }])
    gold()
    await settle()
    await answerAll()
    expect(results).toEqual(['plan:gold for a'])
  })

  it('is refused if that brings nothing, and spends nothing', async () => {
    checker.check({ key: 'a', tokens: 1, policy: 'plan:gold' }, result => {
      results.push(result instanceof Problem ? `${result.code}: ${result.detail}` : 'decided')
    })
    await settle()
    expect([results, queue.length]).toEqual([
      ['policy-unknown: the check of "a" names the policy "plan:gold", but none is stored under this config key'],
      0,
    ])
  })

  it('among others keeps their order, reads each log once, and is the only one that is refused', async () => {
    const inOneLog = ['plan:new', ...sameLogAs('plan:new')]
    askFor(undefined, inOneLog[0], undefined, inOneLog[1], 'default')
    await queue.answer(1)
    expect([results, queue.length, rereads.length]).toEqual([['0: default for k0'], 0, 1])
    table.set('plan:new', 1, definitionOf())
    await settle()
    await answerAll()
    expect(results).toEqual([
      '0: default for k0',
      '3: policy-unknown',
      '1: plan:new for k1',
      '2: default for k2',
      '4: default for k4',
    ])
  })

  it('names it in vain if the key has an exact policy, so no log is read', async () => {
    table.set('a', 1, definitionOf())
    checker.check({ key: 'a', tokens: 1, policy: 'plan:gone' }, result => results.push(inDetail(result)))
    await answerAll()
    expect([results, rereads]).toEqual([['a for a'], []])
  })

  it('is not answered by a remembered denial under another policy', async () => {
    gold()
    ask(1)
    await queue.answer(FULL + 60_000)
    ask(1)
    checker.check({ key: 'a', tokens: 1, policy: 'plan:gold' }, result => results.push(inShort(result)))
    expect([results, queue.length]).toEqual([['denied by redis', 'denied by denied-cache'], 1])
  })

  it('does not wait for the same check under another policy', async () => {
    await givenDenied()
    gold()
    checker.check({ key: 'a', tokens: 1, policy: 'plan:gold' }, result => results.push(inShort(result)))
    await queue.answer(FULL)
    expect(results).toEqual(['denied by redis'])
    // The denial of this policy has expired. It asks the store again, and a check under another policy asks for itself.
    checker.check({ key: 'a', tokens: 1, policy: 'plan:gold' }, result => results.push(inShort(result)))
    ask(1)
    expect(queue.length).toBe(2)
  })

  it('waits for the same check under the same policy, and is then still decided by it', async () => {
    table.set('plan:fast', 1, policy.definition)
    const askFast = () =>
      checker.check({ key: 'a', tokens: 1, policy: 'plan:fast' }, result =>
        results.push(`${inDetail(result)}, ${inShort(result)}`),
      )
    askFast()
    await queue.answer(FULL)
    results = []
    for (let i = 0; i < 2; i++) askFast()
    expect(queue.length).toBe(1)
    await queue.answer(FULL + 60_000)
    expect(results).toEqual(['plan:fast for a, denied by redis', 'plan:fast for a, denied by denied-cache'])
  })

  it('gets what the named policy says about outages', async () => {
    table.set('plan:free', 1, definitionOf({ onStoreFailure: 'deny' }))
    table.set('plan:gold', 1, definitionOf({ onStoreFailure: 'allow' }))
    for (const policy of ['plan:free', 'plan:gold']) {
      checker.check({ key: 'a', tokens: 1, policy }, result => results.push(inShort(result)))
      await queue.answer(undefined)
    }
    expect(results).toEqual(['store-unavailable', 'allowed by outage'])
  })

  it('spends in an outage from the same bucket of its key, whichever policy it names', async () => {
    table.set('plan:free', 1, definitionOf({ limits: [limitOf({ capacity: 3 })] }))
    table.set('plan:gold', 1, definitionOf({ limits: [limitOf({ capacity: 5 })] }))
    for (const policy of ['plan:free', 'plan:gold', 'plan:free', 'plan:free', 'plan:gold', 'plan:gold', 'plan:gold']) {
      checker.check({ key: 'a', tokens: 1, policy }, result => results.push(`${policy} ${inShort(result)}`))
      await queue.answer(undefined)
    }
    expect(results).toEqual([
      'plan:free allowed by local',
      'plan:gold allowed by local',
      'plan:free allowed by local',
      'plan:free denied by local',
      'plan:gold allowed by local',
      'plan:gold allowed by local',
      'plan:gold denied by local',
    ])
  })

  it('that cannot be answered because of a bug gets an internal problem after the read, too', async () => {
    const answers: string[] = []
    checker.check({ key: 'a', tokens: 1, policy: 'plan:gold' }, result => {
      if (!(result instanceof Problem) || result.code !== 'internal') throw new Error('a bug')
      answers.push(result.code)
    })
    await settle()
    expect(answers).toEqual(['internal'])
  })
})

/** Other names whose policies are in the same log. */
function sameLogAs(name: string): readonly string[] {
  const names = Array.from({ length: 100 }, (_, i) => `plan:${i}`)
  return names.filter(other => configPartition(other) === configPartition(name))
}

describe('a check whose protocol has found its policy', () => {
  it('is decided by that policy, whatever is stored', async () => {
    table.set('a', 1, definitionOf({ mode: 'block' }))
    checker.check({ key: 'a', tokens: 1, resolvedPolicy: policy }, result => results.push(inShort(result)))
    await queue.answer(0)
    expect(results).toEqual(['allowed by redis'])
  })

  it('for more tokens than the limit ever holds is a denial where the protocol asks for one', async () => {
    const asked = { key: 'a', tokens: FULL + 1 }
    checker.check(asked, result => results.push(inShort(result)))
    checker.check({ ...asked, isExcessDenied: true }, result => {
      results.push(inShort(result))
      expect(result).toMatchObject({ remaining: 0, retryAfterMs: null })
    })
    expect(results).toEqual(['tokens-exceed-capacity'])
    await queue.answer(FULL)
    expect(results).toEqual(['tokens-exceed-capacity', 'denied by redis'])
  })
})
