import { describe, expect, it } from '@jest/globals'
import { type Job, UnrecoverableError } from 'bullmq'
import type { CommandApplier } from '../../../src/config-change/apply/command-applier.ts'
import type { ImportApplier } from '../../../src/config-change/apply/import-applier.ts'
import type { CommandStore, IdempotencyClaim, IdempotencyStore } from '../../../src/config-change/ports.ts'
import { commandId, type KeyCommand } from '../../../src/domain/commands.ts'
import type { FailedCommand, Outcome } from '../../../src/domain/outcome.ts'
import { createLogger } from '../../../src/observability/logger.ts'
import type { CommandJob } from '../../../src/queues/command-job.ts'
import { configChangeProcessor } from '../../../workers/config-change.processor.ts'

const key = 'user:42'
const id = commandId(key, '00000000-0000-4000-8000-000000000000')
const applied: Outcome = { id, key, status: 'applied', version: 4, effect: 'deleted' }
const command = { type: 'delete', id, key, actor: 'ops', idempotency: { key: 'once', fingerprint: 'f' } }
const replyError = (message: string) => Object.assign(new Error(message), { name: 'ReplyError' })

/** A processor whose attempts end one after another as given: with an error, or with an outcome. */
function given(...attempts: (Error | Outcome | undefined)[]) {
  const retries: boolean[] = []
  const requestIds: unknown[] = []
  const failures: FailedCommand[] = []
  const expired: unknown[] = []
  const counted: string[] = []
  const applier = {
    apply: async ({ requestId }: KeyCommand, { isRetry }: { isRetry: boolean }) => {
      requestIds.push(requestId)
      retries.push(isRetry)
      const next = attempts.shift()
      if (next instanceof Error) throw next
      return next
    },
  }
  const log = {
    standing: async () => 3,
    recordFailure: async (failure: FailedCommand, lease: string) => {
      failures.push(failure)
      return lease === 'held'
    },
    extendRetention: async () => undefined,
  }
  const process = configChangeProcessor({
    applier: applier as unknown as CommandApplier,
    importer: {} as ImportApplier,
    log: log as unknown as CommandStore,
    reservations: {
      restore: async (_: unknown, asked: IdempotencyClaim) => asked,
      end: async (name: unknown) => void expired.push(name),
    } as unknown as IdempotencyStore,
    metrics: { commandEnded: (type, outcome) => void counted.push(`${type} ${outcome}`) },
    logger: createLogger({ level: 'silent', role: 'test' }),
  })
  const run = (attemptsMade = 0, data: unknown = { command, requestId: 'r' }, lease = 'held') =>
    process({ id, data, attemptsMade, name: 'delete' } as Job<CommandJob>, lease)
  return { run, retries, requestIds, failures, expired, counted }
}

describe('the processor of commands', () => {
  it('waits for an unavailable store instead of failing', async () => {
    const outages = [new Error('Connection is closed.'), replyError('OOM command not allowed'), replyError('LOADING')]
    const { run, failures } = given(...outages, applied)
    expect(await run()).toEqual(applied)
    expect(failures).toEqual([])
  })

  it('lets the name of a command go with its outcome', async () => {
    const { run, expired } = given(applied)
    await run()
    expect(expired).toEqual([{ actor: 'ops', key: 'once' }])
  })

  it('ends a command that can never be applied, without revealing internals', async () => {
    const { run, failures, expired } = given(replyError('WRONGTYPE of a key'))
    await expect(run()).rejects.toThrow(new UnrecoverableError('WRONGTYPE of a key'))
    const detail = 'the command could not be processed; the log of the service says more'
    expect(failures).toEqual([{ id, key, status: 'failed', error: { code: 'internal', detail }, standing: 3 }])
    expect(expired).toEqual([{ actor: 'ops', key: 'once' }])
  })

  it.each([new Error('a bug'), new TypeError('a bug')])(
    'ends a command that meets a bug of the service: %s',
    async bug => {
      const { run, failures } = given(bug, applied)
      await expect(run()).rejects.toThrow(UnrecoverableError)
      expect(failures).toHaveLength(1)
    },
  )

  it('says what is wrong with a job that holds no command', async () => {
    const { run, failures } = given(applied)
    await expect(run(0, { command: { ...command, actor: 5 } })).rejects.toThrow('/actor: must be string; was 5')
    expect(failures).toMatchObject([{ key, error: { detail: expect.stringContaining('/actor: must be string') } }])
  })

  it('leaves a command that another worker took over: it neither counts, nor fails, nor lets the name go', async () => {
    const { run, expired, counted } = given(undefined, replyError('WRONGTYPE of a key'))
    expect(await run()).toBeUndefined()
    expect(await run(0, { command, requestId: 'r' }, 'lost')).toBeUndefined()
    expect([expired, counted]).toEqual([[], []])
  })

  it('counts how a command ended', async () => {
    const { run, counted } = given(applied, replyError('WRONGTYPE of a key'))
    await run()
    await expect(run()).rejects.toThrow(UnrecoverableError)
    expect(counted).toEqual(['delete applied', 'delete failed'])
  })

  it('hands the request id that stands beside a command on with it, if it is a text', async () => {
    const { run, requestIds } = given(applied, applied, applied)
    await run(0, { command, requestId: 'r' })
    await run(0, { command, requestId: { not: 'a text' } })
    await run(0, { command })
    expect(requestIds).toEqual(['r', undefined, undefined])
  })

  it('knows a retry', async () => {
    const { run, retries } = given(applied, applied)
    await run(0)
    await run(1)
    expect(retries).toEqual([false, true])
  })
})
