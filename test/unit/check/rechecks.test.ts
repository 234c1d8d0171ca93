import { describe, expect, it } from '@jest/globals'
import { Rechecks } from '../../../src/check/rechecks.ts'
import { pendingCheck } from '../../support/pending-checks.ts'
import { policyOf } from '../../support/policies.ts'

const policy = policyOf('user:*')

describe('rechecks', () => {
  it('make the same checks wait, and return them in order when they end', () => {
    const rechecks = new Rechecks()
    const [first, second, third] = [pendingCheck({ policy }), pendingCheck({ policy }), pendingCheck({ policy })]
    expect(rechecks.join(second)).toBe(false)
    rechecks.begin(first)
    expect([rechecks.join(second), rechecks.join(third), rechecks.waiting]).toEqual([true, true, 2])
    expect(rechecks.end(first)).toEqual([second, third])
    expect([rechecks.join(second), rechecks.waiting]).toEqual([false, 0])
  })

  it.each([{ key: 'user:2' }, { tokens: 2 }, { policy: policyOf('user:*') }])(
    'do not make a different check wait: %j',
    other => {
      const rechecks = new Rechecks()
      rechecks.begin(pendingCheck({ policy }))
      expect(rechecks.join(pendingCheck({ policy, ...other }))).toBe(false)
    },
  )

  it('do not end a newer recheck of the same key', () => {
    const rechecks = new Rechecks()
    const [older, newer, waiting] = [
      pendingCheck({ policy }),
      pendingCheck({ policy, tokens: 2 }),
      pendingCheck({ policy, tokens: 2 }),
    ]
    rechecks.begin(older)
    rechecks.begin(newer)
    expect(rechecks.end(older)).toEqual([])
    expect(rechecks.join(waiting)).toBe(true)
    expect(rechecks.end(newer)).toEqual([waiting])
  })

  it('return nothing if no check waits for them', () => {
    expect(new Rechecks().end(pendingCheck())).toEqual([])
  })
})
