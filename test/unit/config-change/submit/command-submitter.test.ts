import { expect, it } from '@jest/globals'
import { IdempotencyKeys } from '../../../../src/config-change/idempotency-keys.ts'
import { CommandStatuses } from '../../../../src/config-change/submit/command-statuses.ts'
import { CommandSubmitter } from '../../../../src/config-change/submit/command-submitter.ts'
import { ResultWaiters } from '../../../../src/config-change/submit/result-waiters.ts'
import { importId, parseCommandId, partIds } from '../../../../src/domain/command-id.ts'
import type { NewCommand } from '../../../../src/domain/commands.ts'
import type { PolicyEvent } from '../../../../src/domain/events.ts'
import { inMemoryPorts } from '../../../support/in-memory/ports.ts'
import { definitionOf } from '../../../support/policies.ts'

const key = 'user:42'
const put: NewCommand = { type: 'put', key, actor: 'ops', policy: definitionOf() }
const id = importId('00000000-0000-4000-8000-000000000000')
const newImport = { id, actor: 'ops', requestId: 'r', fingerprint: 'f' }
const now = { waitMs: 0, idempotencyKey: undefined }

function given() {
  const ports = inMemoryPorts()
  const statuses = new CommandStatuses(ports.queue, ports.store)
  const waiters = new ResultWaiters({ find: id => statuses.result(id) })
  const idempotencyKeys = new IdempotencyKeys(ports.idempotency)
  const submitter = new CommandSubmitter({ ...ports, waiters, idempotencyKeys })
  return { ...ports, waiters, submitter }
}

/** Ends a queued command, as a worker does. */
async function end({ store, queue, waiters }: ReturnType<typeof given>, followsFirst: boolean) {
  const command = queue.commands(2)[0]
  if (command?.type !== 'put') throw new Error('no change is queued')
  const at = '2026-01-31T12:00:00.000Z'
  const { id: commandId, policy, actor } = command
  const event: PolicyEvent = { schema: 1, key, version: 1, type: 'created', at, actor, commandId, policy }
  const outcome = { id: commandId, key, status: 'applied', version: 1, effect: 'created' } as const
  await store.append({ outcome, lease: '', change: { key, expectedVersion: 0, event } })
  queue.remove(commandId)
  if (followsFirst) waiters.eventApplied(event)
  waiters.settle(outcome)
  return { event, outcome }
}

const outage = async () => {
  throw new Error('Connection is closed.')
}

const WITHOUT_LINES = partIds(id).map(part => ({ id: part, chunks: 0 }))

it('the submitter keeps the lines of an import once its parts are queued', async () => {
  const { submitter, staging } = given()
  await staging.seal(WITHOUT_LINES)
  await submitter.submitImport(newImport, now)
  staging.expire()
  expect(await Promise.all(partIds(id).map(part => staging.chunk(part, 0)))).toEqual([[], [], [], []])
})

it('the submitter lets the lines of an import expire if it could not be queued', async () => {
  const { submitter, staging, queue } = given()
  queue.add = outage
  await staging.seal(WITHOUT_LINES)
  await expect(submitter.submitImport(newImport, now)).rejects.toMatchObject({ code: 'config-store-unavailable' })
  staging.expire()
  expect(await staging.chunk(partIds(id)[0] as never, 0)).toBeUndefined()
})

it.each([true, false])(
  'the submitter returns the result, with its event if the process has read it: %j',
  async followsFirst => {
    const ports = given()
    const submission = ports.submitter.submit(put, { waitMs: 60_000, idempotencyKey: undefined })
    await new Promise(setImmediate)
    const { event, outcome } = await end(ports, followsFirst)
    expect(await submission).toEqual({ commandId: outcome.id, result: outcome, ...(followsFirst && { event }) })
  },
)

it('the submitter does not queue a repetition of a command that has ended', async () => {
  const ports = given()
  const first = await ports.submitter.submit(put, { waitMs: 0, idempotencyKey: 'once' })
  const { outcome } = await end(ports, false)
  const repeated = await ports.submitter.submit(put, { waitMs: 60_000, idempotencyKey: 'once' })
  expect(repeated).toEqual({ commandId: first.commandId, result: outcome })
  expect(ports.queue.commands(2)).toEqual([])
})

it('the submitter queues a repeated command if the first request failed before it was queued', async () => {
  const ports = given()
  const { add } = ports.queue
  ports.queue.add = outage
  await expect(ports.submitter.submit(put, { waitMs: 0, idempotencyKey: 'once' })).rejects.toThrow()
  ports.queue.add = add
  const { commandId } = await ports.submitter.submit(put, { waitMs: 0, idempotencyKey: 'once' })
  expect(ports.queue.commands(2)).toMatchObject([{ id: parseCommandId(commandId) }])
})

it('the submitter refuses an Idempotency-Key of a different request, and drops the lines of such an import', async () => {
  const { submitter, staging } = given()
  const options = { waitMs: 0, idempotencyKey: 'once' }
  await submitter.submit(put, options)
  await staging.seal(WITHOUT_LINES)
  const refusal = { code: 'idempotency-key-reused' }
  await expect(submitter.submit({ ...put, key: 'another' }, options)).rejects.toMatchObject(refusal)
  await expect(submitter.submitImport(newImport, options)).rejects.toMatchObject(refusal)
  expect(await staging.chunk(partIds(id)[0] as never, 0)).toBeUndefined()
})
