import { expect, it } from '@jest/globals'
import { pino } from 'pino'
import { mayServeWithoutBucketStore, mayServeWithoutPolicies } from '../../../src/front/leave-to-others.ts'
import { pauseProcess } from '../../support/pause-process.ts'

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

it('a process that starts, and gets no time for a while, still waits for the policies after that', async () => {
  let isServing = false
  const serves = mayServeWithoutPolicies({
    patienceMs: 400,
    othersKnowPolicies: async () => false,
    loadedSteps: () => 0,
    isLoaded: () => false,
    logger: pino({ enabled: false }),
  }).then(() => {
    isServing = true
  })
  pauseProcess(500)
  // Timers that have ended run between the two.
  for (let turn = 0; turn < 2; turn++) await new Promise(setImmediate)
  expect(isServing).toBe(false)
  await serves
})

it('a process that starts waits for the bucket store through a pause in which the others do not reach it either', async () => {
  let looked = 0
  let asked = 0
  await mayServeWithoutBucketStore({
    isReached: async () => ++looked === 6,
    othersReachStore: async () => ++asked % 2 === 1,
    logger: pino({ enabled: false }),
  })
  expect(looked).toBe(6)
})

it('a process that starts serves without the bucket store if nobody reaches it', async () => {
  let looked = 0
  await mayServeWithoutBucketStore({
    isReached: async () => ++looked > 1_000,
    othersReachStore: async () => false,
    logger: pino({ enabled: false }),
  })
  expect(looked).toBeLessThan(10)
})
