import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, it } from '@jest/globals'
import { TestApp } from '../../support/app.ts'
import type { Answer } from '../../support/client.ts'
import { eventually } from '../../support/eventually.ts'
import { expectFields, expectProblem } from './expect-problem.ts'
import { givenApp } from './given-app.ts'

const given = givenApp()
const client = () => given.app.client

const HOUR_MS = 3_600_000
const WAIT = { prefer: 'wait=60' }

const policy = (capacity: number) => ({ capacity, refillTokens: 1 })
const stored = (capacity: number) => ({
  limits: [{ name: 'default', capacity, refillTokens: 1, refillIntervalMs: 1_000 }],
  mode: 'enforce',
})
const inMs = (ms: number) => new Date(Date.now() + ms).toISOString()
const path = (key: string) => `/config/${encodeURIComponent(key)}`
const newKey = () => `user:${randomUUID()}`

function importLines(...lines: readonly object[]): Promise<Answer> {
  const file = lines.map(line => `${JSON.stringify(line)}\n`).join('')
  return client().request('POST', '/config/import', file, { 'content-type': 'application/x-ndjson', ...WAIT })
}

function rollBack(key: string, version: number): Promise<Answer> {
  return client().request('POST', `${path(key)}/rollback`, { version }, WAIT)
}

async function exported(key: string): Promise<unknown> {
  const lines = (await client().get('/config/export')).text.trimEnd().split('\n')
  return lines.map(line => JSON.parse(line)).find(line => line.key === key)
}

const typesOf = async (key: string) =>
  (await client().get(`${path(key)}/history`)).body.events.map(({ type }: { type: string }) => type)

describe('a temporary policy', () => {
  it('is shown with its end and what follows, wherever a policy is shown', async () => {
    const key = newKey()
    await client().put(key, policy(10))
    const expiresAt = inMs(HOUR_MS)
    const withOffset = expiresAt.replace('Z', '+00:00')
    const put = await client().put(key, { ...policy(100), expiresAt: withOffset })
    const shown = { ...stored(100), expiresAt, then: stored(10) }
    expect([put.status, put.headers.get('etag')]).toEqual([200, '"2"'])
    expect(put.body).toEqual({ key, version: 2, ...shown, updatedAt: expect.anything(), updatedBy: 'anonymous' })
    expect((await client().get(path(key))).body).toEqual(put.body)
    expect((await client().get(`${path(key)}?version=2`)).body).toEqual(put.body)
    expect((await client().get(`/config?prefix=${key}`)).body.items).toEqual([put.body])
    expect((await client().get(`${path(key)}/history`)).body.events[1].policy).toEqual(shown)
    expect(await exported(key)).toEqual({ key, ...shown })
    expect((await client().check(key, 0)).body).toMatchObject({ limit: 100, policyVersion: 2 })
  })

  it('shows nothing of a policy without limits that follows it', async () => {
    const key = newKey()
    const { body } = await client().put(key, { ...policy(1), expiresAt: inMs(HOUR_MS), then: { mode: 'off' } })
    expect(body.then).toEqual({ mode: 'off' })
    expect(await exported(key)).toMatchObject({ then: { mode: 'off' } })
  })

  it.each<[given: object, path: string, message: RegExp]>([
    [{ expiresAt: 'tomorrow' }, '/expiresAt', /^must be an RFC 3339 time with an offset, such as .*; was "tomorrow"$/],
    [{ expiresAt: '2030-01-31T12:00:00' }, '/expiresAt', /^must be an RFC 3339 time with an offset/],
    [{ expiresAt: '2030-02-30T12:00:00Z' }, '/expiresAt', /^must be an RFC 3339 time with an offset/],
    [{ expiresAt: 1_900_000_000 }, '/expiresAt', /^must be string; was 1900000000$/],
    [{ expiresAt: '2020-01-31T12:00:00Z' }, '/expiresAt', /^must be in the future; was 2020-01-31T12:00:00.000Z, and/],
    [{ expiresAt: '2999-01-31T12:00:00Z' }, '/expiresAt', /^must be at most 366 days away, up to .*; was 2999-01-31/],
    [{ then: policy(1) }, '/then', /^is allowed only together with expiresAt$/],
    [{ then: null }, '/then', /^is allowed only together with expiresAt$/],
    [{ expiresAt: inMs(HOUR_MS), then: 'off' }, '/then', /^must be object or null; was "off"$/],
    [{ expiresAt: inMs(HOUR_MS), then: {} }, '/then/capacity', /^is missing/],
    [
      { expiresAt: inMs(HOUR_MS), then: policy(0) },
      '/then/capacity',
      /^must be an integer from 1 to 1000000000; was 0$/,
    ],
    [{ expiresAt: inMs(HOUR_MS), then: { ...policy(1), then: null } }, '/then/then', /^is unknown; allowed: limits, /],
  ])('%j is refused at once', async (members, path, message) => {
    const answer = await client().request('PUT', '/config/refused', { ...policy(1), ...members })
    expectProblem(answer, 400, 'validation-failed')
    expect(answer.body.errors).toContainEqual({ path, message: expect.stringMatching(message) })
  })

  it('has an end of its own only once', async () => {
    const then = { ...policy(1), expiresAt: inMs(HOUR_MS) }
    const answer = await client().request('PUT', '/config/refused', { ...policy(1), expiresAt: inMs(HOUR_MS), then })
    expectFields(answer, 'validation-failed', ['/then/expiresAt'])
  })

  it('is described by a dry run with what would follow', async () => {
    const key = newKey()
    await client().put(key, policy(10))
    const expiresAt = inMs(HOUR_MS)
    const answer = await client().request('PUT', `${path(key)}?dryRun=true`, { ...policy(100), expiresAt })
    expect(answer.body).toMatchObject({ from: stored(10), to: { ...stored(100), expiresAt, then: stored(10) } })
  })

  it('comes back by a rollback with what follows it, until its end', async () => {
    const key = newKey()
    const expiresAt = inMs(10_000)
    await client().put(key, policy(10))
    await client().put(key, { ...policy(100), expiresAt })
    await client().put(key, policy(20))
    expect((await rollBack(key, 2)).body).toMatchObject({ version: 4, ...stored(100), expiresAt, then: stored(10) })
    await sleep(Date.parse(expiresAt) - Date.now() + 5)
    const answer = await rollBack(key, 2)
    expectProblem(answer, 400, 'validation-failed')
    const message = expect.stringContaining(
      `2 of "${key}" has ended: expiresAt must be in the future; was ${expiresAt}`,
    )
    expect(answer.body.errors).toEqual([{ path: '/version', message }])
  })

  it('can be requested again with the same Idempotency-Key after its end', async () => {
    const key = newKey()
    const once = { 'idempotency-key': randomUUID(), ...WAIT }
    const body = { ...policy(1), expiresAt: inMs(4_000), then: policy(2) }
    expect((await client().put(key, body, once)).status).toBe(201)
    await sleep(Date.parse(body.expiresAt) - Date.now() + 5)
    expect((await client().put(key, body, once)).status).toBe(201)
    expectProblem(await client().put(key, body), 400, 'validation-failed')
    const late = await client().put(key, body, { ...once, 'idempotency-key': randomUUID() })
    expectFields(late, 'validation-failed', ['/expiresAt'])
  })
})

describe('an import', () => {
  it('changes only what follows a temporary policy in force', async () => {
    const key = newKey()
    await client().put(key, policy(10))
    const expiresAt = inMs(HOUR_MS)
    await client().put(key, { ...policy(100), expiresAt })
    expect((await importLines({ key, ...policy(10) })).body).toMatchObject({ created: 0, changed: 0, unchanged: 1 })
    expect((await importLines({ key, ...policy(20) })).body).toMatchObject({ created: 0, changed: 1, unchanged: 0 })
    expect((await client().get(path(key))).body).toMatchObject({ ...stored(100), expiresAt, then: stored(20) })
  })

  it('of a temporary policy stores it with what follows', async () => {
    const key = newKey()
    const line = { key, ...stored(100), expiresAt: inMs(HOUR_MS), then: stored(10) }
    expect((await importLines(line)).body).toMatchObject({ created: 1 })
    expect((await importLines(line)).body).toMatchObject({ unchanged: 1 })
    expect(await exported(key)).toEqual(line)
  })

  it('of a policy that has ended counts as what follows, and without that as if it were not in the file', async () => {
    const [followed, gone] = [newKey(), newKey()]
    const expiresAt = '2020-01-31T12:00:00Z'
    const lines = [
      { key: followed, ...policy(100), expiresAt, then: policy(10) },
      { key: gone, ...policy(100), expiresAt, then: null },
    ]
    expect((await importLines(...lines)).body).toMatchObject({ created: 1, changed: 0, unchanged: 0 })
    expect((await client().get(path(followed))).body).toMatchObject(stored(10))
    expect((await client().get(path(gone))).status).toBe(404)
  })

  it('refuses an end that is too far away, and names the line', async () => {
    const far = { key: newKey(), ...policy(1), expiresAt: '2999-01-31T12:00:00Z' }
    const answer = await importLines({ key: newKey(), ...policy(1) }, far)
    expectProblem(answer, 400, 'import-invalid')
    expect(answer.body).toMatchObject({ line: 2, errors: [{ path: '/expiresAt' }] })
    expect(answer.body.detail).toContain('must be at most 366 days away')
  })
})

describe('from the end of a temporary policy on', () => {
  /** Reads what another app has written. No worker records ends while that is closed. */
  let reader: TestApp | undefined
  afterEach(async () => {
    await reader?.close()
    reader = undefined
  })

  it('every answer is that of what follows, before and after a worker records it', async () => {
    const variables = { KEY_PREFIX: `t-${randomUUID()}` }
    const [followed, gone] = ['user:followed', 'user:gone']
    reader = await TestApp.start(given.store, { variables, worker: false })
    const { client: reads } = reader
    const expiresAt = inMs(15_000)
    const writer = await TestApp.start(given.store, { variables })
    try {
      await writer.client.put(followed, policy(10))
      await writer.client.put(followed, { ...policy(100), expiresAt })
      await writer.client.put(gone, { ...policy(100), expiresAt })
    } finally {
      await writer.close()
    }
    for (const key of [followed, gone]) expect((await reads.check(key, 0)).body.limit).toBe(100)
    expect((await reads.get('/config/user%3Agone')).body.then).toBeNull()
    await sleep(Date.parse(expiresAt) - Date.now() + 1)

    const inForce = async (key: string) => (await reads.check(key, 0)).body
    await eventually(async () => expect(await inForce(followed)).toMatchObject({ limit: 10, policyVersion: 2 }))
    await eventually(async () => expect(await inForce(gone)).toMatchObject({ policy: 'default' }))
    const answer = await reads.get(path(followed))
    expect([answer.status, answer.headers.get('etag')]).toEqual([200, '"2-ended"'])
    const shown = { key: followed, version: 2, ...stored(10), updatedAt: expiresAt, updatedBy: 'throttler' }
    expect(answer.body).toEqual(shown)
    expectProblem(await reads.get(path(gone)), 404, 'policy-not-found')
    expect((await reads.get('/config')).body.items).toEqual([shown])
    expect((await reads.get('/config/export')).text).toBe(`${JSON.stringify({ key: followed, ...stored(10) })}\n`)
    const dryRun = await reads.request('PUT', `${path(gone)}?dryRun=true`, policy(1))
    expect(dryRun.body).toMatchObject({ from: null, to: stored(1) })
    const inside = await reads.request('PUT', '/config/user%3A*?dryRun=true', policy(1))
    expect(inside.body.matches).toBe(1)

    await reader.startWorker()
    const last = async (key: string) => (await reads.get(`${path(key)}/history`)).body.events.at(-1)
    const recorded = { type: 'expired', actor: 'throttler' }
    await eventually(async () => expect(await last(followed)).toMatchObject({ ...recorded, version: 3 }))
    await eventually(async () => expect(await last(gone)).toMatchObject({ ...recorded, version: 2 }))
    expect(await last(followed)).toMatchObject({ policy: stored(10) })
    expect(await last(gone)).toMatchObject({ policy: null })
    const ifMatch = (tag: string) => reads.put(followed, policy(10), { 'if-match': tag })
    expect((await ifMatch('"2-ended"')).headers.get('etag')).toBe('"3"')
    expect((await ifMatch('"3"')).status).toBe(200)
    expectProblem(await ifMatch('"2"'), 412, 'version-conflict')
    expect((await reads.put(gone, policy(1))).status).toBe(201)
  })

  it('nothing is recorded of a policy that something else has changed', async () => {
    const key = newKey()
    const other = newKey()
    const answers = [
      await client().put(key, { ...policy(100), expiresAt: inMs(4_000) }),
      await client().put(key, policy(7)),
      await client().put(other, { ...policy(100), expiresAt: inMs(4_000), then: policy(10) }),
    ]
    expect(answers.map(({ status }) => status)).toEqual([201, 200, 201])
    await eventually(async () => expect(await typesOf(other)).toEqual(['created', 'expired']))
    expect(await typesOf(key)).toEqual(['created', 'changed'])
    expect((await client().get(path(key))).body).toMatchObject({ version: 2, ...stored(7) })
  })
})
