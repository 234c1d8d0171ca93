import { describe, expect, it } from '@jest/globals'
import { decisionJson } from '../../../../src/check/http/decision-json.ts'
import { denialJson } from '../../../../src/check/http/send-decision.ts'
import { type Decision, decideByBucket, decideByMode } from '../../../../src/domain/decision.ts'
import { problemBody } from '../../../../src/http/problem.ts'
import { Problem } from '../../../../src/lib/errors.ts'
import { limitOf, policyOf } from '../../../support/policies.ts'

const asked = (mode: 'enforce' | 'block') => ({
  key: 'a "key"',
  tokens: 2,
  policy: policyOf('a "policy*', { mode, limits: [limitOf({ capacity: 3, refillTokens: 1, refillIntervalMs: 1000 })] }),
})

describe('the JSON of a denial', () => {
  it.each([
    {
      name: 'whose limit is used up',
      decision: decideByBucket(asked('enforce'), { allowed: false, spent: [3000], refillPausedMs: 0 }, 'redis'),
      problem: new Problem('quota-exceeded', '0 of 3 tokens left; 1 more every 1000 ms'),
    },
    {
      name: 'of a key that is blocked',
      decision: decideByMode(asked('block')) as Decision,
      problem: new Problem('blocked', 'the policy "a "policy*" blocks the key'),
    },
  ])('$name contains its problem and the decision', ({ decision, problem }) => {
    expect(JSON.parse(denialJson(decision, 403, 'id-1'))).toEqual({
      ...problemBody(problem, 'id-1'),
      status: 403,
      ...JSON.parse(decisionJson(decision)),
    })
  })
})
