import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { CircuitBreakerStore } from '../../../src/check/circuit-breaker-store.ts'
import { OutageClock } from '../../../src/check/outage-clock.ts'
import type { BucketCheck, CheckGroup, CheckObserver, GroupReading } from '../../../src/check/ports.ts'
import type { BucketReading } from '../../../src/domain/reading.ts'
import { reservationId } from '../../../src/domain/reservation-id.ts'
import { TimeoutError } from '../../../src/lib/deadline.ts'
import type { Logger } from '../../../src/observability/logger.ts'
import { eventually } from '../../support/eventually.ts'
import { SpecifiedStore } from '../../support/in-memory/specified-store.ts'
import { policyOf } from '../../support/policies.ts'

const TIMEOUT_MS = 40
const HANG_TIMEOUT_MS = 200
const CHECK: BucketCheck = { key: 'a', policy: policyOf('*'), tokens: 1 }

type Mood = 'well' | 'hanging' | Error

/** A store that works, hangs or fails as the test says, and records its calls. */
class MoodyStore extends SpecifiedStore {
  mood: Mood = 'well'
  readonly asked: string[] = []
  readonly #hanging: (() => void)[] = []

  override async check(checks: readonly BucketCheck[]): Promise<readonly BucketReading[]> {
    this.asked.push(...checks.map(({ key, tokens }) => `${key} ${tokens}`))
    await this.#act()
    return checks.map(() => ({ allowed: true, spent: [1], refillPausedMs: 0 }))
  }

  override async reset(key: string): Promise<void> {
    this.asked.push(`reset ${key}`)
    await this.#act()
  }

  override async checkAll(groups: readonly CheckGroup[]): Promise<readonly GroupReading[]> {
    this.asked.push(`${groups.length} groups`)
    await this.#act()
    return super.checkAll(groups)
  }

  /** Answers what hangs. */
  answerLate(): void {
    for (const answer of this.#hanging) answer()
  }

  async #act(): Promise<void> {
    if (this.mood === 'hanging') await new Promise<void>(resolve => this.#hanging.push(resolve))
    if (this.mood instanceof Error) throw this.mood
  }
}

let store: MoodyStore
let guarded: CircuitBreakerStore
let said: string[]
let failures: (string | undefined)[]
let openings: string[]
let examined: unknown[]
let nowMs: number
beforeEach(() => {
  store = new MoodyStore()
  said = []
  failures = []
  openings = []
  // A probe of an earlier test may still be unanswered.
  const ownExamined: unknown[] = []
  examined = ownExamined
  nowMs = 0
  const log = (level: string) => (fields: object | string) =>
    said.push(typeof fields === 'string' ? level : `${level} ${Object.values(fields).join(', ')}`)
  guarded = new CircuitBreakerStore(store, {
    timeoutMs: TIMEOUT_MS,
    hangTimeoutMs: HANG_TIMEOUT_MS,
    reasonOf: err => (err instanceof TimeoutError ? 'timeout' : (err as Error).message),
    explain: err => `it is ${err.message}`,
    refusesWrites: reason => reason === 'full',
    watchReplies: () => () => ownExamined.push(true),
    onOpened: reason => openings.push(reason),
    outage: new OutageClock(() => nowMs, TIMEOUT_MS),
    observer: {
      storeCalled: (_checks, _seconds, failure) => failures.push(failure),
    } as Partial<CheckObserver> as CheckObserver,
    logger: { error: log('error'), info: log('info') } as unknown as Logger,
  })
})
// A probe of an open circuit would be counted by the next test.
afterEach(() => guarded.close())

const check = () => guarded.check([CHECK])

/** Whether the clock of outages runs. */
function isOutage(): boolean {
  const { elapsedMs } = guarded.outage
  nowMs += 60_000
  return guarded.outage.elapsedMs > elapsedMs
}

async function failOften(times: number): Promise<void> {
  for (let i = 0; i < times; i++) await expect(check()).rejects.toThrow()
}

async function givenOpenCircuit(): Promise<void> {
  store.mood = new Error('gone')
  await failOften(5)
  expect(guarded.circuit).toBe('open')
}

describe('the circuit breaker of a store', () => {
  it('passes calls on while the store works, and counts each call of checks', async () => {
    expect(await check()).toHaveLength(1)
    await guarded.reset('a')
    expect([store.asked, failures]).toEqual([['a 1', 'reset a'], [undefined]])
    expect([guarded.circuit, guarded.reason, said]).toEqual(['closed', undefined, []])
  })

  it('passes calls on groups and reservations on too, and counts them', async () => {
    const [reading] = await guarded.checkAll([{ checks: [CHECK], shadowed: [false] }])
    expect(reading?.allowed).toBe(true)
    const id = reservationId('a', 'A'.repeat(22))
    expect(await guarded.settle([{ id, amounts: 'reserved', policyOf: () => CHECK.policy }])).toEqual([
      { status: 'not-found' },
    ])
    expect(await guarded.extend([{ id }])).toEqual([{ status: 'not-found' }])
    expect(await guarded.read([id])).toEqual([null])
    expect(await guarded.holdsOf('a')).toEqual([])
    expect([store.asked, failures]).toEqual([['1 groups'], Array(5).fill(undefined)])
  })

  it('opens after failures of groups, and asks no group then', async () => {
    store.mood = new Error('gone')
    const group = { checks: [CHECK], shadowed: [false] }
    for (let i = 0; i < 5; i++) await expect(guarded.checkAll([group])).rejects.toThrow('gone')
    store.mood = 'well'
    await expect(guarded.checkAll([group])).rejects.toThrow('the circuit is open')
    expect(store.asked).toHaveLength(5)
  })

  it('waits for no answer longer than its timeout', async () => {
    // No probe may come in between.
    guarded.close()
    store.mood = 'hanging'
    const start = performance.now()
    await expect(check()).rejects.toThrow(`no answer within ${TIMEOUT_MS} ms`)
    await expect(guarded.reset('a')).rejects.toThrow(`no answer within ${TIMEOUT_MS} ms`)
    expect(performance.now() - start).toBeGreaterThan(2 * TIMEOUT_MS - 2)
    expect(failures).toEqual(['timeout'])
  })

  it('opens the circuit after five failures in a row, not before', async () => {
    store.mood = new Error('gone')
    await failOften(4)
    store.mood = 'well'
    await check()
    store.mood = new Error('gone')
    await failOften(4)
    expect([guarded.circuit, guarded.reason]).toEqual(['closed', undefined])
    await failOften(1)
    expect([guarded.circuit, guarded.reason]).toEqual(['open', 'gone'])
  })

  it('opens the circuit soon after one failure if nobody asks again', async () => {
    store.mood = 'hanging'
    await failOften(1)
    await eventually(() => expect(guarded.circuit).not.toBe('closed'))
    expect(openings).toEqual(['timeout'])
    expect(store.asked.slice(0, 5)).toEqual(['a 1', ...Array(4).fill('. 1')])
  })

  it('sends no more probes after a failure once the store has answered', async () => {
    store.mood = new Error('gone')
    await failOften(1)
    store.mood = 'well'
    await check()
    store.asked.length = 0
    await sleep(2 * HANG_TIMEOUT_MS)
    expect([store.asked, guarded.circuit]).toEqual([[], 'closed'])
  })

  it('counts an outage from the first failure in a row until the next success', async () => {
    expect(isOutage()).toBe(false)
    store.mood = new Error('gone')
    await failOften(1)
    expect([guarded.circuit, guarded.outage.refillPausedMs, isOutage()]).toEqual(['closed', 1_000, true])
    store.mood = 'well'
    await check()
    expect(isOutage()).toBe(false)
  })

  it('opens the circuit at once when the store refuses writes, since reads would succeed in between', async () => {
    store.mood = new Error('full')
    await failOften(1)
    expect([guarded.circuit, guarded.reason]).toEqual(['open', 'full'])
  })

  it('forgets that the store refused writes once it accepts them again', async () => {
    store.mood = new Error('full')
    await failOften(1)
    store.mood = 'well'
    await guarded.probe()
    store.mood = new Error('gone')
    await expect(guarded.reset('a')).rejects.toThrow('gone')
    expect(guarded.circuit).toBe('closed')
  })

  it('ends an outage when its shard no longer exists', async () => {
    await givenOpenCircuit()
    guarded.retire()
    expect([said, isOutage()]).toEqual([['error gone, it is gone', 'info'], false])
  })

  it('begins no outage when a call fails that was under way when its shard ceased to exist', async () => {
    store.mood = 'hanging'
    const call = check()
    guarded.retire()
    await expect(call).rejects.toThrow('no answer')
    expect([isOutage(), store.asked]).toEqual([false, ['a 1']])
  })

  it('counts a failed reset like any other failure', async () => {
    store.mood = new Error('gone')
    for (let i = 0; i < 5; i++) await expect(guarded.reset('a')).rejects.toThrow('gone')
    expect([guarded.circuit, guarded.reason]).toEqual(['open', 'gone'])
  })

  it('sends no request of a caller to the store while the circuit is open', async () => {
    await givenOpenCircuit()
    store.asked.length = 0
    await failOften(100)
    await expect(guarded.reset('a')).rejects.toThrow('unavailable')
    expect(store.asked).toEqual([])
  })

  it('closes the circuit by itself once a probe has spent a token', async () => {
    await givenOpenCircuit()
    store.asked.length = 0
    store.mood = 'well'
    await eventually(() => expect(guarded.circuit).toBe('closed'))
    expect(store.asked).toEqual(['. 1'])
    expect([guarded.reason, openings, isOutage()]).toEqual([undefined, ['gone'], false])
    expect(await check()).toHaveLength(1)
  })

  it('lets no caller wait for a probe that hangs', async () => {
    await givenOpenCircuit()
    store.mood = 'hanging'
    const probe = guarded.probe()
    expect(guarded.circuit).toBe('half-open')
    await failOften(1)
    expect(guarded.circuit).toBe('half-open')
    await expect(probe).rejects.toThrow('no answer')
    expect([guarded.circuit, guarded.reason]).toEqual(['open', 'timeout'])
  })

  it('has the connection examined if a probe is not answered long after its timeout', async () => {
    await givenOpenCircuit()
    store.mood = 'hanging'
    await expect(guarded.probe()).rejects.toThrow('no answer')
    expect(examined).toEqual([])
    await eventually(() => expect(examined).not.toEqual([]))
  })

  it('has the connection examined also if the answer arrives late: it may be that to another command', async () => {
    await givenOpenCircuit()
    store.mood = 'hanging'
    await expect(guarded.probe()).rejects.toThrow('no answer')
    store.answerLate()
    await eventually(() => expect(examined).not.toEqual([]))
  })

  it('has no connection examined whose probe was answered in time', async () => {
    await givenOpenCircuit()
    store.mood = 'well'
    await guarded.probe()
    await sleep(2 * HANG_TIMEOUT_MS)
    expect(examined).toEqual([])
  })

  it('logs an outage once and the recovery once, however many probes fail', async () => {
    await givenOpenCircuit()
    for (let i = 0; i < 3; i++) await expect(guarded.probe()).rejects.toThrow('gone')
    expect([said, openings, isOutage()]).toEqual([['error gone, it is gone'], ['gone'], true])
    store.mood = 'well'
    await guarded.probe()
    expect([said, openings, isOutage()]).toEqual([['error gone, it is gone', 'info'], ['gone'], false])
  })

  it('reports why the store is unavailable when examined, without opening the circuit', async () => {
    // No probe may come in between.
    guarded.close()
    expect(await guarded.examine()).toBe(undefined)
    store.mood = new Error('gone')
    await failOften(4)
    for (let i = 0; i < 20; i++) expect(await guarded.examine()).toBe('gone')
    expect(guarded.circuit).toBe('closed')
    store.mood = 'hanging'
    expect(await guarded.examine()).toBe('timeout')
    await failOften(1)
    expect(guarded.circuit).toBe('open')
  })

  it('does not ask the store when examined while the circuit is open', async () => {
    await givenOpenCircuit()
    store.asked.length = 0
    for (let i = 0; i < 20; i++) expect(await guarded.examine()).toBe('gone')
    expect(store.asked).toEqual([])
  })

  it('sends no more probes after close()', async () => {
    guarded.close()
    await givenOpenCircuit()
    store.asked.length = 0
    store.mood = 'well'
    await new Promise(resolve => setTimeout(resolve, 400))
    expect([store.asked, guarded.circuit]).toEqual([[], 'open'])
  })
})
