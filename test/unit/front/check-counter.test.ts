import { beforeEach, describe, expect, it, jest } from '@jest/globals'
import { Registry } from 'prom-client'
import { CheckCounter } from '../../../src/front/check-counter.ts'
import { PolicyLabels } from '../../../src/front/policy-labels.ts'
import { policyOf } from '../../support/policies.ts'

let registry: Registry
let counter: CheckCounter
beforeEach(() => {
  registry = new Registry()
  counter = new CheckCounter(registry, new PolicyLabels())
})

function count(key: string, configKey: string): void {
  counter.add({ key, policy: policyOf(configKey) }, 'allowed', 'redis')
}

/** The counts by label. */
async function counted(): Promise<Readonly<Record<string, number>>> {
  const [metric] = await registry.getMetricsAsJSON()
  return Object.fromEntries((metric?.values ?? []).map(({ labels, value }) => [labels['policy'], value]))
}

describe('the label of a check', () => {
  it('is the config key of the policy, unless the key has a policy of its own', async () => {
    count('user:1', 'user:*')
    count('user:1', 'plan:gold')
    count('user:2', 'plan:gold')
    count('user:1', 'default')
    count('user:1', 'user:1')
    count('plan:gold', 'plan:gold')
    expect(await counted()).toEqual({ 'user:*': 1, 'plan:gold': 2, default: 1, exact: 2 })
  })

  it('is the config key also if the key looks like that of a prefix policy, or of the built-in one', async () => {
    count('user:*', 'user:*')
    count('default', 'default')
    expect(await counted()).toEqual({ 'user:*': 1, default: 1 })
  })

  it('is "request" for limits that come with a call, also for a key of that name', async () => {
    const policy = policyOf('request', {}, 0)
    for (const key of ['user:1', 'request']) counter.add({ key, policy }, 'allowed', 'redis')
    count('request', 'request')
    expect(await counted()).toEqual({ request: 2, exact: 1 })
  })

  it('is found without anything kept of a limit that came with a call', async () => {
    const policies = [1, 2].map(() => policyOf('request', {}, 0))
    const kept = jest.spyOn(WeakMap.prototype, 'set')
    for (const policy of policies) counter.add({ key: 'user:1', policy }, 'allowed', 'redis')
    expect(kept).not.toHaveBeenCalled()
    kept.mockRestore()
    expect(await counted()).toEqual({ request: 2 })
  })

  it('depends on the key for a policy that one key has of its own and that callers name for others', async () => {
    const policy = policyOf('plan:gold')
    for (const key of ['plan:gold', 'user:1', 'plan:gold']) counter.add({ key, policy }, 'allowed', 'redis')
    expect(await counted()).toEqual({ exact: 2, 'plan:gold': 1 })
  })

  it('is its own for the first 1,000 prefix policies, those that callers name, and those for descriptors', async () => {
    for (let i = 0; i < 1_001; i++) {
      count('user:1', `prefix:${i}*`)
      count('user:1', `plan:${i}`)
      count(`rls;edge;path=${i}`, `rls;edge;path=${i}`)
    }
    count('user:1', 'plan:0')
    const counts = await counted()
    expect(Object.keys(counts)).toHaveLength(3_001)
    expect(counts).toMatchObject({
      'prefix:999*': 1,
      'plan:999': 1,
      'plan:0': 2,
      'rls;edge;path=999': 1,
      other: 3,
    })
  })
})
