import { expect, it } from '@jest/globals'
import { DamagedStore } from '../../../src/config-change/damaged-store.ts'
import { causeFields } from '../../../src/front/explain-store-failure.ts'
import { TimeoutError } from '../../../src/lib/deadline.ts'

it.each([
  [
    'a connection',
    new Error("Stream isn't writeable and enableOfflineQueue options is false"),
    'there is no connection',
  ],
  ['a call', new TimeoutError('no answer within 100 ms'), 'no answer within 100 ms'],
  ['damage', new DamagedStore('the policy is damaged'), 'the policy is damaged'],
])('logs the failure of a store in words: %s', (_, err, reason) => {
  expect(causeFields(err)).toEqual({ reason })
})

it('logs a bug with its stack', () => {
  const bug = new TypeError('x is not a function')
  expect(causeFields(bug)).toEqual({ err: bug })
})
