import { expect, it } from '@jest/globals'
import { pino } from 'pino'
import { mayServeWithoutPolicies } from '../../../src/front/leave-to-others.ts'

it('a process that starts may serve without the policies once their load no longer advances', async () => {
  let asked = 0
  const loadedSteps = () => Math.min(++asked, 20)
  await mayServeWithoutPolicies({
    patienceMs: 1,
    othersKnowPolicies: async () => false,
    loadedSteps,
    isLoaded: () => false,
    logger: pino({ enabled: false }),
  })
  expect(asked).toBeGreaterThanOrEqual(20)
})
