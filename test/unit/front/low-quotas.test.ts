import { expect, it } from '@jest/globals'
import { Registry } from 'prom-client'
import { type DecisionSource, decideByBucket } from '../../../src/domain/decision.ts'
import type { Mode } from '../../../src/domain/policy.ts'
import { LowQuotas } from '../../../src/front/low-quotas.ts'
import { PolicyLabels } from '../../../src/front/policy-labels.ts'
import { limitOf, policyOf, quotaOf } from '../../support/policies.ts'

const registry = new Registry()
const quotas = new LowQuotas(registry, new PolicyLabels())

interface Spent {
  readonly bucket?: number
  readonly quota: number
  readonly allowed?: boolean
  readonly mode?: Mode
  /** Of the quota. */
  readonly isShadow?: boolean
  readonly source?: DecisionSource
}

function look(
  key: string,
  configKey: string,
  { bucket = 0, quota, allowed = true, mode = 'enforce', isShadow = false, source = 'redis' }: Spent,
): void {
  const shadow = isShadow ? ({ shadow: true } as const) : {}
  const policy = policyOf(configKey, { mode, limits: [limitOf(), quotaOf({ capacity: 100, ...shadow })] })
  const period = { endsInMs: 1_000, lengthMs: 60_000 }
  const reading = { allowed, spent: [bucket * 1_000, quota], periods: [undefined, period], refillPausedMs: 0 }
  quotas.look(decideByBucket({ key, policy, tokens: 1 }, reading, source))
}

it('allowed checks that leave less than a tenth of a quota are counted', async () => {
  look('user:1', 'user:*', { quota: 90 })
  look('user:1', 'user:*', { quota: 91 })
  look('user:1', 'user:1', { quota: 100 })
  look('user:1', 'plan:gold', { quota: 99 })
  look('user:1', 'user:*', { quota: 100, allowed: false })
  look('user:1', 'user:*', { quota: 100, allowed: false, mode: 'shadow' })
  look('user:1', 'user:*', { quota: 100, isShadow: true })
  look('user:1', 'user:*', { bucket: 10, quota: 0 })
  look('user:1', 'user:*', { quota: 100, source: 'local' })
  const [metric] = await registry.getMetricsAsJSON()
  expect(metric?.values).toEqual(
    ['user:*', 'exact', 'plan:gold'].map(policy => ({ labels: { policy, limit: 'monthly' }, value: 1 })),
  )
})
