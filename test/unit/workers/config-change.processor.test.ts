import { describe, expect, it, jest } from '@jest/globals'
import { type Job, UnrecoverableError } from 'bullmq'
import type { CommandApplier } from '../../../src/config-change/apply/command-applier.ts'
import type { ImportApplier } from '../../../src/config-change/apply/import-applier.ts'
import { commandId } from '../../../src/domain/command-id.ts'
import type { KeyCommand } from '../../../src/domain/commands.ts'
import type { Outcome } from '../../../src/domain/outcome.ts'
import { createLogger } from '../../../src/observability/logger.ts'
import type { CommandJob } from '../../../src/queues/command-job.ts'
import { configChangeProcessor } from '../../../workers/config-change.processor.ts'
import { inMemoryPorts } from '../../support/in-memory/ports.ts'

const key = 'user:42'
const id = commandId(key, '00000000-0000-4000-8000-000000000000')
const applied: Outcome = { id, key, status: 'applied', version: 4, effect: 'deleted' }
const command = { type: 'delete', id, key, actor: 'ops', idempotency: { key: 'once', fingerprint: 'f' } }
const replyError = (message: string) => Object.assign(new Error(message), { name: 'ReplyError' })

/** A processor whose attempts end in turn with these errors and outcomes. */
function given(...attempts: (Error | Outcome | undefined)[]) {
  const retries: boolean[] = []
  const requestIds: unknown[] = []
  const counted: string[] = []
  const ports = inMemoryPorts()
  const ends = jest.spyOn(ports.idempotency, 'end')
  const applier = {
    apply: async ({ requestId }: KeyCommand, { isRetry }: { isRetry: boolean }) => {
      requestIds.push(requestId)
      retries.push(isRetry)
      const next = attempts.shift()
      if (next instanceof Error) throw next
      return next
    },
  }
  const process = configChangeProcessor({
    ...ports,
    applier: applier as unknown as CommandApplier,
    importer: {} as ImportApplier,
    metrics: { commandEnded: (type, outcome) => void counted.push(`${type} ${outcome}`) },
    logger: createLogger({ level: 'silent', role: 'test' }),
  })
  const run = async (
    attemptsMade = 0,
    data: unknown = { command, requestId: 'r' },
    lease = 'held',
    jobId: string = id,
  ) => {
    await ports.lend(id, 'held')
    return process({ id: jobId, data, attemptsMade, name: 'delete' } as Job<CommandJob>, lease)
  }
  const failure = () => ports.store.failure(id)
  const endedScopes = () => ends.mock.calls.map(([scope]) => scope)
  return { run, retries, requestIds, failure, endedScopes, counted }
}

describe('the processor of commands', () => {
  it('waits for an unavailable store instead of failing', async () => {
    const outages = [new Error('Connection is closed.'), replyError('OOM command not allowed'), replyError('LOADING')]
    const { run, failure } = given(...outages, applied)
    expect(await run()).toEqual(applied)
    expect(await failure()).toBeUndefined()
  })

  it('lets the Idempotency-Key of a command expire with its outcome', async () => {
    const { run, endedScopes } = given(applied)
    await run()
    expect(endedScopes()).toEqual([{ actor: 'ops', key: 'once' }])
  })

  it('fails a command that can never be applied, without revealing internals', async () => {
    const { run, failure, endedScopes } = given(replyError('WRONGTYPE of a key'))
    await expect(run()).rejects.toThrow(new UnrecoverableError('WRONGTYPE of a key'))
    const detail = 'the command could not be processed; the log of the service says more'
    const error = { code: 'internal', detail }
    expect(await failure()).toEqual({ id, key, status: 'failed', error, revisionAtFailure: 0 })
    expect(endedScopes()).toEqual([{ actor: 'ops', key: 'once' }])
  })

  it.each([new Error('a bug'), new TypeError('a bug')])(
    'fails a command that hits a bug of the service: %s',
    async bug => {
      const { run, failure } = given(bug, applied)
      await expect(run()).rejects.toThrow(UnrecoverableError)
      expect(await failure()).toMatchObject({ status: 'failed' })
    },
  )

  it('reports what is wrong with a malformed job', async () => {
    const { run, failure } = given(applied)
    await expect(run(0, { command: { ...command, actor: 5 } })).rejects.toThrow('/actor: must be string; was 5')
    expect(await failure()).toMatchObject({ key, error: { detail: expect.stringContaining('/actor: must be string') } })
  })

  it('refuses a job whose id is not a command id', async () => {
    const { run, counted } = given(applied)
    const refused = run(0, { command }, 'held', '9-x')
    await expect(refused).rejects.toThrow(
      new UnrecoverableError('the id of the job is "9-x", which is not a command id'),
    )
    expect(counted).toEqual(['delete failed'])
  })

  it('leaves a command that another worker took over: it neither counts nor fails it, nor ends its Idempotency-Key', async () => {
    const { run, endedScopes, counted } = given(undefined, replyError('WRONGTYPE of a key'))
    expect(await run()).toBeUndefined()
    expect(await run(0, { command, requestId: 'r' }, 'lost')).toBeUndefined()
    expect([endedScopes(), counted]).toEqual([[], []])
  })

  it('counts how a command ended', async () => {
    const { run, counted } = given(applied, replyError('WRONGTYPE of a key'))
    await run()
    await expect(run()).rejects.toThrow(UnrecoverableError)
    expect(counted).toEqual(['delete applied', 'delete failed'])
  })

  it('gives a command the request id of its job, if it is a string', async () => {
    const { run, requestIds } = given(applied, applied, applied)
    await run(0, { command, requestId: 'r' })
    await run(0, { command, requestId: { not: 'a text' } })
    await run(0, { command })
    expect(requestIds).toEqual(['r', undefined, undefined])
  })

  it('recognizes a retry', async () => {
    const { run, retries } = given(applied, applied)
    await run(0)
    await run(1)
    expect(retries).toEqual([false, true])
  })
})
