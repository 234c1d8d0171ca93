import { EventEmitter } from 'node:events'
import type { IncomingHttpHeaders } from 'node:http2'
import type { Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals'
import { pino } from 'pino'
import { Callers } from '../../../../src/access/callers.ts'
import { BatchTurns } from '../../../../src/check/batch-turns.ts'
import { checkQueue } from '../../../../src/check/check-queue.ts'
import { Checker } from '../../../../src/check/checker.ts'
import { DenialCache } from '../../../../src/check/denial-cache.ts'
import { RateLimitService } from '../../../../src/check/envoy/rate-limit-service.ts'
import { ShouldRateLimit } from '../../../../src/check/envoy/should-rate-limit.ts'
import { LocalBuckets } from '../../../../src/check/local-buckets.ts'
import { PolicyLookup } from '../../../../src/check/policy-lookup.ts'
import type { CheckObserver } from '../../../../src/check/ports.ts'
import { RequestPolicies } from '../../../../src/check/request-policies.ts'
import { PolicyTable } from '../../../../src/domain/policy-table.ts'
import type { Call } from '../../../../src/grpc/call.ts'
import { WireWriter } from '../../../../src/grpc/wire-writer.ts'
import { faultFields } from '../../../../src/lib/operator-error.ts'
import { CallLog } from '../../../../src/observability/call-log.ts'
import { definitionOf, policyOf } from '../../../support/policies.ts'

const ENVOYS_TIMEOUT_MS = 20
const STORE_TIMEOUT_MS = 100

/** `overall_code: OK`, with which an answer begins. */
const OK = '0801'

let method: ShouldRateLimit
/** How each answer begins, and the longest time of one, in ms. */
let answers: string[]
let longestMs: number

/** The method over a store that answers no call. */
beforeEach(() => {
  jest.useFakeTimers()
  answers = []
  longestMs = 0
  const now = () => performance.now()
  const policies = new PolicyTable(policyOf('default'))
  policies.set('rls;edge;a', 1, { ...definitionOf(), onStoreFailure: 'local' })
  const store = { check: () => new Promise<never>(() => undefined), reset: async () => undefined }
  const checker = new Checker({
    policies: new PolicyLookup(policies, async () => undefined),
    openQueue: onReading => checkQueue(store, STORE_TIMEOUT_MS, onReading),
    denialCache: new DenialCache(now),
    localBuckets: new LocalBuckets({
      now,
      calendarNow: Date.now,
      outageOf: () => ({ elapsedMs: 0, isRunning: false, refillPausedMs: 0 }),
      processes: () => 1,
    }),
    observer: { decided: () => undefined } as Partial<CheckObserver> as CheckObserver,
    onStoreFailure: 'deny',
    maxWaiting: 10_000,
  })
  method = new ShouldRateLimit({
    service: new RateLimitService({
      checker,
      policies,
      requestPolicies: new RequestPolicies(policies),
      batchTurns: new BatchTurns(10_000),
      fieldStyle: 'none',
    }),
    callers: new Callers({
      adminTokens: [],
      checkTokens: [],
      limits: { adminCall: async () => 0, failedLogin: async () => 0 },
    }),
    isOverloaded: () => false,
    calls: new CallLog({ logger: pino({ level: 'silent' }), loggedKey: key => key, causeFields: faultFields }),
  })
})
afterEach(() => {
  jest.useRealTimers()
})

function call(descriptors: number, timeoutMs = ENVOYS_TIMEOUT_MS): void {
  const startMs = performance.now()
  const finish = (message: Buffer) => {
    answers.push(message.toString('hex', 0, 2))
    longestMs = Math.max(longestMs, performance.now() - startMs)
  }
  const responder = { finish, end: fail, send: fail, onClosed: () => undefined }
  method.answer(requestOf(descriptors), responder, callUntil(startMs + timeoutMs))
}

function fail(): never {
  throw new Error('the call ends without an answer')
}

function callUntil(deadlineMs: number): Call {
  const socket = Object.assign(new EventEmitter(), { destroyed: false }) as unknown as Socket
  return { metadata: {} as IncomingHttpHeaders, socket, ip: '192.0.2.1', deadlineMs }
}

function requestOf(descriptors: number): Buffer {
  const writer = new WireWriter().string(1, 'edge')
  for (let i = 0; i < descriptors; i++) {
    const descriptor = writer.begin(2)
    const entry = writer.begin(1)
    writer.string(1, 'a').string(2, String(i)).end(entry)
    writer.end(descriptor)
  }
  return writer.finish()
}

/** The clock gives the last turn of the event loop a millisecond, too. */
const TURN_MS = 1

describe('a call over a store that never answers gets a local decision', () => {
  it.each([
    [1, 20, 10],
    [100, 20, 10],
    [1, 4, 2],
    [100, 4, 2],
    [1, 1_000, 100],
  ])('for %i descriptors, with a timeout of %i ms, after %i ms', async (descriptors, timeoutMs, afterMs) => {
    call(descriptors, timeoutMs)
    await jest.advanceTimersByTimeAsync(timeoutMs)
    expect(answers).toEqual([OK])
    expect(longestMs).toBe(afterMs + TURN_MS)
  })

  it('also if it has to wait for its turn, one after another', async () => {
    for (let i = 0; i < 5; i++) call(1_000)
    await jest.advanceTimersByTimeAsync(ENVOYS_TIMEOUT_MS)
    expect(answers).toEqual(new Array(5).fill(OK))
    expect(longestMs).toBeLessThanOrEqual(10 + 2 * TURN_MS)
  })

  it('also if calls with more time came before it', async () => {
    for (let i = 0; i < 3; i++) call(1_000, 1_000)
    call(1)
    call(1_000)
    await jest.advanceTimersByTimeAsync(ENVOYS_TIMEOUT_MS)
    expect(answers).toEqual([OK, OK])
    expect(longestMs).toBeLessThanOrEqual(10 + TURN_MS)
  })

  it('at once if its time is over', () => {
    call(1, 0)
    expect([answers, longestMs]).toEqual([[OK], 0])
  })
})
