import { afterEach, beforeEach, expect, it, jest } from '@jest/globals'
import Fastify, { type FastifyInstance } from 'fastify'
import { CommandApplier } from '../../../../src/config-change/apply/command-applier.ts'
import { PolicyFollower } from '../../../../src/config-change/follow/policy-follower.ts'
import { changeRoutes } from '../../../../src/config-change/http/change.route.ts'
import { IdempotencyKeys } from '../../../../src/config-change/idempotency-keys.ts'
import { CommandStatuses } from '../../../../src/config-change/submit/command-statuses.ts'
import { CommandSubmitter } from '../../../../src/config-change/submit/command-submitter.ts'
import { EnforcedResults } from '../../../../src/config-change/submit/enforced-results.ts'
import { ResultWaiters } from '../../../../src/config-change/submit/result-waiters.ts'
import type { QueuedCommand } from '../../../../src/domain/commands.ts'
import { PolicyTable } from '../../../../src/domain/policy-table.ts'
import { createLogger } from '../../../../src/observability/logger.ts'
import { inMemoryPorts } from '../../../support/in-memory/ports.ts'
import { policyOf } from '../../../support/policies.ts'

const LEASE = 'held'
const logger = createLogger({ level: 'silent', role: 'test' })
const ports = () => {
  const { queue, ...others } = inMemoryPorts()
  return { ...others, queue, readsOfVersions: jest.spyOn(others.reader, 'version') }
}

let app: FastifyInstance
let follower: PolicyFollower
let readsOfVersions: ReturnType<typeof ports>['readsOfVersions']

/** The change flow of one process, in memory: a worker applies each command as soon as it is queued. */
beforeEach(async () => {
  const { store, log, announcements, queue, ...others } = ports()
  readsOfVersions = others.readsOfVersions
  const applier = new CommandApplier({ reader: store, store, now: () => new Date() })
  const add = queue.add.bind(queue)
  queue.add = async (command: QueuedCommand) => {
    await add(command)
    if (command.type === 'import-part') return
    store.lend(command.id, LEASE)
    void applier.apply(command, { isRetry: false, lease: LEASE, refusal: undefined })
  }
  follower = new PolicyFollower({
    log,
    table: new PolicyTable(policyOf('default')),
    observer: { applied: () => undefined, followed: () => undefined, logReplaced: () => undefined },
    onApplied: event => waiters.eventApplied(event),
    damage: { repaired: () => undefined },
    isTransient: () => false,
    logger,
  })
  const results = new EnforcedResults({ statuses: new CommandStatuses(queue, store), follower })
  const waiters = new ResultWaiters({ find: id => results.find(id) })
  announcements.subscribe({
    announced: one => void results.enforce(one).then(() => one.result && waiters.settle(one.result)),
    reconnected: () => undefined,
  })
  follower.start()
  await follower.firstLoad
  const idempotencyKeys = new IdempotencyKeys(others.idempotency)
  const submitter = new CommandSubmitter({ ...others, queue, waiters, idempotencyKeys })
  app = Fastify()
  app.decorateRequest('actor', 'ops')
  await app.register(changeRoutes, {
    ...{ submitter, reader: store, logger },
    requestSpans: { traceparentOf: () => undefined },
  })
})
afterEach(async () => {
  follower.stop()
  await app.close()
})

const wait = { prefer: 'wait=10' }
const put = (capacity: number) =>
  app.inject({ method: 'PUT', url: '/config/k', payload: { capacity, refillTokens: 1 }, headers: wait })

it('the route answers a change from its event, without reading the policy again', async () => {
  const created = await put(1)
  expect([created.statusCode, created.headers.etag]).toEqual([201, '"1"'])
  const changed = await put(2)
  expect(changed.statusCode).toBe(200)
  expect(changed.json()).toEqual({
    key: 'k',
    version: 2,
    limits: [{ name: 'default', capacity: 2, refillTokens: 1, refillIntervalMs: 1000 }],
    mode: 'enforce',
    updatedAt: expect.any(String),
    updatedBy: 'ops',
  })
  expect(readsOfVersions).not.toHaveBeenCalled()
})

it('the route reads the policy if the change has no event of its own', async () => {
  const created = await put(1)
  const unchanged = await put(1)
  expect(unchanged.statusCode).toBe(200)
  expect(unchanged.json()).toEqual(created.json())
  expect(readsOfVersions).toHaveBeenCalledTimes(1)
})
