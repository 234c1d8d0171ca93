import { describe, expect, it } from '@jest/globals'
import { schemaOf, UnknownEventSchema, upcast } from '../../../src/domain/events.ts'
import type { Limit } from '../../../src/domain/limits/limit.ts'
import { definitionOf, limitOf, quotaOf } from '../../support/policies.ts'

/** An event as the first release wrote it. */
const OF_SCHEMA_1 =
  '{"schema":1,"key":"user:*","version":2,"type":"changed","at":"2025-10-09T08:00:01.000Z","actor":"ops","reason":"plan B",' +
  '"commandId":"2-5b7f0c1e-3a52-4a8e-8a59-1f0c5d3e0002","policy":{"limits":[{"name":"burst","capacity":20,"refillTokens":10,' +
  '"refillIntervalMs":1000}],"mode":"shadow","onStoreFailure":"deny","description":"sold in plan B"}}'

describe('an event of a log', () => {
  it('of schema 1 is read', () => {
    expect(upcast(JSON.parse(OF_SCHEMA_1))).toEqual({
      schema: 1,
      key: 'user:*',
      version: 2,
      type: 'changed',
      at: '2025-10-09T08:00:01.000Z',
      actor: 'ops',
      reason: 'plan B',
      commandId: '2-5b7f0c1e-3a52-4a8e-8a59-1f0c5d3e0002',
      policy: {
        limits: [{ name: 'burst', capacity: 20, refillTokens: 10, refillIntervalMs: 1000 }],
        mode: 'shadow',
        onStoreFailure: 'deny',
        description: 'sold in plan B',
      },
    })
  })

  it('has schema 2 if its policy has a quota, a concurrency limit, a shadow limit or overdraft, so that release 0.1.0 refuses it', () => {
    const schemaWith = (...limits: Limit[]) => schemaOf({ type: 'changed', policy: definitionOf({ limits }) })
    expect([schemaWith(limitOf()), schemaWith(limitOf(), quotaOf())]).toEqual([1, 2])
    expect(schemaWith({ name: 'slots', kind: 'concurrency', capacity: 1 })).toBe(2)
    expect(schemaWith(limitOf(), limitOf({ name: 'stricter', shadow: true }))).toBe(2)
    expect(schemaOf({ type: 'changed', policy: definitionOf({ overdraft: true }) })).toBe(2)
  })

  it.each(['{"schema":3}', '{"schema":"1"}', '{"schema":0}', '{}'])('of an unknown schema is refused: %s', json => {
    expect(() => upcast(JSON.parse(json))).toThrow(UnknownEventSchema)
  })
})
