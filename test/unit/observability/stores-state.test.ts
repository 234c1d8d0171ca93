import { expect, it } from '@jest/globals'
import { type StoresState, storesState, worstOf } from '../../../src/observability/stores-state.ts'

const WELL: StoresState = { store: 'up', configStore: 'up', circuit: 'closed' }

it('a process whose stores answer reports no reason', () => {
  expect(storesState('closed', { store: undefined, configStore: undefined, queue: undefined })).toEqual(WELL)
})

it('a process whose policy store is down reports why, even while its bucket store is up', () => {
  const state = storesState('closed', { store: undefined, configStore: 'timeout', queue: 'queue-paused' })
  expect(state).toEqual({ store: 'up', configStore: 'down', circuit: 'closed', reason: 'timeout' })
})

it('a process whose stores are up reports why changes wait', () => {
  const state = storesState('closed', { store: undefined, configStore: undefined, queue: 'queue-paused' })
  expect(state).toEqual({ ...WELL, reason: 'queue-paused' })
})

it('an instance reports the worst state of its processes, for each store separately', () => {
  const withoutPolicies: StoresState = { ...WELL, configStore: 'down', reason: 'connection-lost' }
  const probing: StoresState = { ...WELL, store: 'down', circuit: 'half-open', reason: 'timeout' }
  expect(worstOf([WELL, WELL])).toEqual(WELL)
  expect(worstOf([WELL, withoutPolicies])).toEqual(withoutPolicies)
  expect(worstOf([{ ...WELL, reason: 'queue-paused' }, withoutPolicies])).toEqual(withoutPolicies)
  const worst = { store: 'down', configStore: 'down', circuit: 'half-open', reason: 'timeout' }
  expect(worstOf([withoutPolicies, WELL, probing])).toEqual(worst)
  expect(worstOf([probing, { ...WELL, store: 'down', circuit: 'open', reason: 'read-only' }]).circuit).toBe('open')
})
