import { expect, it } from '@jest/globals'
import { Registry } from 'prom-client'
import { decideByBucket } from '../../../src/domain/decision.ts'
import type { Mode } from '../../../src/domain/policy.ts'
import { PolicyLabels } from '../../../src/front/policy-labels.ts'
import { ShadowViolations } from '../../../src/front/shadow-violations.ts'
import { limitOf, policyOf } from '../../support/policies.ts'

const registry = new Registry()
const counted = new ShadowViolations(registry, new PolicyLabels())

interface Found {
  readonly allowed?: boolean
  readonly violated?: readonly boolean[]
  readonly mode?: Mode
  /** The second shadow limit. */
  readonly name?: string
}

function look(key: string, configKey: string, { allowed = true, violated, mode = 'enforce', name = 'b' }: Found): void {
  const shadows = ['a', name].map(name => limitOf({ name, shadow: true }))
  const policy = policyOf(configKey, { mode, limits: [limitOf(), ...shadows] })
  const reading = { allowed, spent: [10_000, 10_000, 10_000], refillPausedMs: 0, ...(violated && { violated }) }
  counted.look(decideByBucket({ key, policy, tokens: 1 }, reading, 'redis'))
}

const valuesOf = async () => {
  const [metric] = await registry.getMetricsAsJSON()
  return metric?.values.map(({ labels, value }) => [labels['policy'], labels['limit'], value])
}

it('allowed checks are counted for each shadow limit that would have denied them', async () => {
  look('user:1', 'user:*', { violated: [false, true, true] })
  look('user:1', 'user:*', { violated: [false, true, false] })
  look('user:1', 'user:1', { violated: [false, false, true] })
  look('user:1', 'user:*', {})
  look('user:1', 'user:*', { allowed: false })
  look('user:1', 'user:*', { allowed: false, mode: 'shadow' })
  expect(await valuesOf()).toEqual([
    ['user:*', 'a', 2],
    ['user:*', 'b', 1],
    ['exact', 'b', 1],
  ])
})

it('the first 1,000 names of limits have series of their own', async () => {
  for (let i = 0; i < 1_002; i++) look('user:1', 'user:1', { violated: [false, false, true], name: `l${i}` })
  const values = (await valuesOf()) ?? []
  expect(values).toHaveLength(2 + 1_000)
  expect(values.at(-1)).toEqual(['exact', 'other', 4])
})
