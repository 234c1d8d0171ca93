import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals'
import { BatchTurns } from '../../../../src/check/batch-turns.ts'
import { OWN_LIMIT_WEIGHT } from '../../../../src/check/check-weight.ts'
import type { Checker } from '../../../../src/check/checker.ts'
import { RateLimitService } from '../../../../src/check/envoy/rate-limit-service.ts'
import type { AskedCheck, OnResult } from '../../../../src/check/pending-check.ts'
import { RequestPolicies } from '../../../../src/check/request-policies.ts'
import { PolicyTable } from '../../../../src/domain/policy-table.ts'
import { Problem } from '../../../../src/lib/errors.ts'
import { policyOf } from '../../../support/policies.ts'

const MAX_WAITING = 10_000

let service: RateLimitService
let compiled: ReturnType<typeof jest.spyOn>
/** Ends the calls that are under way. */
let endings: (() => void)[]
let answered: number
beforeEach(() => {
  endings = []
  answered = 0
  const policies = new PolicyTable(policyOf('default'))
  const requestPolicies = new RequestPolicies(policies)
  compiled = jest.spyOn(requestPolicies, 'policyOf')
  const problem = new Problem('store-unavailable', 'the test has no store')
  const checkAll = (checks: readonly AskedCheck[], onResult: OnResult) => {
    endings.push(() => {
      for (let index = 0; index < checks.length; index++) onResult(problem, 0, index)
    })
  }
  const checker = { checkAll } as unknown as Checker
  const batchTurns = new BatchTurns(MAX_WAITING)
  service = new RateLimitService({ checker, policies, requestPolicies, batchTurns, fieldStyle: 'none' })
})
afterEach(() => void jest.restoreAllMocks())

function ask(count: number, limitOfNext: (index: number) => number): void {
  const descriptors = Array.from({ length: count }, (_, index) => ({
    entries: [{ key: 'a', value: '' }],
    override: { requestsPerUnit: limitOfNext(index), unit: 'SECOND' as const },
    hits: undefined,
    isNegativeHits: false,
  }))
  const socket = Object.assign(new EventEmitter(), { destroyed: false }) as unknown as Socket
  const asking = { client: { socket, ip: '192.0.2.1' }, origin: {}, deadlineMs: Number.POSITIVE_INFINITY }
  service.decide({ domain: 'edge', descriptors, hitsAddend: 0 }, asking, () => answered++)
}

const nextTurn = () => new Promise(setImmediate)

describe('limits that come with calls are compiled', () => {
  it('for as many calls at once as others may decide checks, where each is another limit', async () => {
    for (let call = 0; call < 10; call++) ask(500, index => 1 + call * 500 + index)
    expect(compiled).toHaveBeenCalledTimes(500)
    endings.shift()?.()
    await nextTurn()
    expect(compiled).toHaveBeenCalledTimes(2 * 500)
    expect(answered).toBe(1)
  })

  it('for all calls at once whose checks have one limit', () => {
    for (let call = 0; call < 3; call++) ask(500, () => 5)
    expect(endings).toHaveLength(3)
  })

  it('later for calls that wait, which count by their checks among those that may wait', async () => {
    const calls = 1 + MAX_WAITING / 500
    for (let call = 0; call < calls; call++) ask(500, index => 1 + index)
    await nextTurn()
    expect(answered).toBe(0)
    for (let call = 0; call < calls; call++) {
      endings[call]?.()
      await nextTurn()
    }
    expect(answered).toBe(calls)
    expect(500 * OWN_LIMIT_WEIGHT * calls).toBeGreaterThan(MAX_WAITING)
  })
})
