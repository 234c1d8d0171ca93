import { expect, it } from '@jest/globals'
import { jobOf } from '../../../src/queues/command-job.ts'

it('writes a command as release 0.1.0 reads it: the request id stands beside it, not in it', () => {
  const command = { type: 'delete', id: '0-x', key: 'a', actor: 'ops' } as const
  expect(jobOf({ ...command, requestId: 'r' })).toEqual({ command, requestId: 'r' })
})
