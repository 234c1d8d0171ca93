import { expect, it } from '@jest/globals'
import { commandId } from '../../../src/domain/command-id.ts'
import { jobOf, sourceOf } from '../../../src/queues/command-job.ts'

it('a job has the request id and the trace next to its command, not in it, as release 0.1.0 reads it', () => {
  const id = commandId('a', '00000000-0000-4000-8000-000000000000')
  const command = { type: 'delete', id, key: 'a', actor: 'ops' } as const
  expect(jobOf({ ...command, requestId: 'r' })).toStrictEqual({ command, requestId: 'r' })
  const traced = jobOf({ ...command, requestId: 'r', traceparent: 't' })
  expect(traced).toStrictEqual({ command, requestId: 'r', traceparent: 't' })
  expect(sourceOf(traced)).toEqual({ requestId: 'r', traceparent: 't' })
  expect(sourceOf({ requestId: 1, traceparent: {} })).toEqual({})
})
