import { expect, it } from '@jest/globals'
import { reasonOf } from '../../../../src/redis/connection/connection-report.ts'

it.each([
  ['Unknown RESP type 72 "H". Please report this.', 'the server does not speak the Redis protocol'],
  [
    'Reached the max retries per request limit (which is 0). Refer to "maxRetriesPerRequest" option for details.',
    'the connection was lost',
  ],
  ['connect ECONNREFUSED 127.0.0.1:1', 'connect ECONNREFUSED 127.0.0.1:1'],
])('the reason of a lost connection is in plain words: %s', (message, reason) => {
  expect(reasonOf(new Error(message))).toBe(reason)
})
