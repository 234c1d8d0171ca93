import { beforeEach, describe, expect, it } from '@jest/globals'
import { LocalBuckets } from '../../../src/check/local-buckets.ts'
import { limitOf, policyOf } from '../../support/policies.ts'

const policy = policyOf('*', { limits: [limitOf({ capacity: 8, refillTokens: 1, refillIntervalMs: 1_000 })] })
const MOST_KEYS = 100_000

let now: number
let processes: number
let buckets: LocalBuckets
beforeEach(() => {
  now = 5_000
  processes = 1
  buckets = new LocalBuckets({ now: () => now, processes: () => processes })
})

const allows = (key: string, tokens: number) => buckets.check({ key, policy, tokens }).reading.allowed

describe('the buckets of a process that cannot ask the store', () => {
  it('are full again once it can', () => {
    allows('a', 8)
    expect(allows('a', 1)).toBe(false)
    buckets.forget()
    expect(allows('a', 8)).toBe(true)
  })

  it('are each shared by as many processes as when they were first spent from', () => {
    processes = 4
    expect([allows('a', 2), allows('a', 1)]).toEqual([true, false])
    processes = 1
    expect(allows('a', 1)).toBe(false)
    now += 4_000
    expect([allows('a', 1), allows('a', 1)]).toEqual([true, false])
    expect([allows('b', 7), allows('b', 1)]).toEqual([true, true])
  })

  it(`are at most ${MOST_KEYS}: of more the one used longest ago is forgotten`, () => {
    for (let i = 0; i < MOST_KEYS; i++) allows(`key ${i}`, 7)
    expect(allows('key 0', 1)).toBe(true)
    allows('one more', 1)
    expect(['key 0', 'key 2', `key ${MOST_KEYS - 1}`].map(key => allows(key, 2))).toEqual([false, false, false])
    expect(allows('key 1', 8)).toBe(true)
  })
})
