import { randomUUID } from 'node:crypto'
import { beforeAll, describe, expect, it } from '@jest/globals'
import { TestApp } from '../../support/app.ts'
import { descriptor, GrpcClient } from '../../support/grpc-client.ts'
import { RespClient } from '../../support/resp-client.ts'
import { expectFields, expectProblem } from './expect-problem.ts'
import { givenApp } from './given-app.ts'

const variables = {
  RESP_PORT: '0',
  GRPC_PORT: '0',
  KEY_PREFIX: `t-${randomUUID()}`,
  // A report that takes longer is lost.
  REDIS_TIMEOUT_MS: '60000',
  ADMIN_TOKENS: 'eve:secret-of-a-reader:read,ann:secret-of-an-admin',
}
const given = givenApp({ variables })
/** A service that keeps nothing that names keys. */
const discreet = givenApp({ variables: { KEY_PREFIX: `t-${randomUUID()}`, LOG_KEYS: 'none' }, worker: false }, given)
const reader = () => given.app.as({ authorization: 'Bearer secret-of-a-reader' })
const ODD = '<img src=x onerror=alert(1)>\u202E'
const SLOW = { refillTokens: 1, refillIntervalMs: 1_000_000 }

/** A call of `/denials` with these parameters. */
const list = (query: Readonly<Record<string, string>> = {}) => reader().get(`/denials?${new URLSearchParams(query)}`)
const keysOf = ({ body }: Awaited<ReturnType<typeof list>>) => body.items.map(({ key }: { key: string }) => key)

/** Every way to ask for checks of several keys, or over another protocol: the key that is denied, and the id of the request. */
const OTHER_WAYS = [
  ['POST /check/all', 'group:all', 'all'],
  ['GET /forward-auth with several keys', 'group:proxy', 'proxy'],
  ['POST /reservations', 'group:reserved', 'reserved'],
  ['POST /json', 'rls;edge;user=json', 'json'],
  ['RESP', 'group:resp', undefined],
  ['gRPC', 'rls;edge;user=grpc', undefined],
] as const

async function denyInOtherWays({ client, respPort, grpcPort }: TestApp): Promise<void> {
  const post = (path: string, id: string, body: object) => client.request('POST', path, body, { 'x-request-id': id })
  const checksOf = (key: string) => ({ checks: [{ key }, { key: 'open' }] })
  await post('/check/all', 'all', checksOf('group:all'))
  await client.request('GET', '/forward-auth?key=group:proxy&key=open', undefined, { 'x-request-id': 'proxy' })
  await post('/reservations', 'reserved', checksOf('group:reserved'))
  await post('/json', 'json', { domain: 'edge', descriptors: [{ entries: [{ key: 'user', value: 'json' }] }] })
  const resp = await RespClient.connect(respPort)
  await resp.ask('THROTTLE.CHECK', 'group:resp')
  await resp.end()
  const grpc = new GrpcClient(grpcPort)
  await grpc.ask({ domain: 'edge', descriptors: [descriptor('user', 'grpc')] })
  grpc.close()
}

let startedMs: number
/** Another instance denies checks, and reports that when it stops. */
beforeAll(async () => {
  startedMs = Date.now()
  const admin = given.app.as({ authorization: 'Bearer secret-of-an-admin' })
  const limits = ['burst', 'daily'].map(name => ({ name, capacity: 2, ...SLOW }))
  await admin.put('user:*', { limits })
  await admin.put(ODD, { mode: 'block' })
  await admin.put('group:*', { mode: 'block' })
  await admin.put('rls;edge;user', { mode: 'block' })
  const other = await TestApp.start(given.store, { variables, worker: false })
  const { client } = other
  for (let i = 0; i < 6; i++) {
    await client.request('POST', '/check', { key: 'user:1', tokens: 2 }, { 'x-request-id': `check-${i}` })
  }
  await client.request('POST', '/check', { key: ODD }, { 'x-request-id': 'blocked' })
  await client.get('/forward-auth?key=user%3A1&tokens=1')
  const checks = ['user:2', 'user:2', 'user:3'].map(key => ({ key, tokens: 2 }))
  await client.request('POST', '/check/batch', { checks }, { 'x-request-id': 'batch' })
  await denyInOtherWays(other)
  await other.close()
})

describe('/denials', () => {
  it('says why and when checks were denied, newest first', async () => {
    const answer = await list()
    expect(answer.status).toBe(200)
    expect(answer.body.nextCursor).toBeUndefined()
    const times = answer.body.items.map(({ at }: { at: string }) => Date.parse(at))
    expect(times).toEqual(times.toSorted((a: number, b: number) => b - a))
    expect(Math.min(...times)).toBeGreaterThanOrEqual(startedMs)
    expect(Math.max(...times)).toBeLessThanOrEqual(Date.now())
    expect(new Set(keysOf(answer))).toEqual(new Set(['user:1', 'user:2', ODD, ...OTHER_WAYS.map(([, key]) => key)]))
    expect(answer.body.items.find(({ key }: { key: string }) => key === 'user:2')).toEqual({
      at: expect.any(String),
      key: 'user:2',
      policy: 'user:*',
      policyVersion: 1,
      violated: ['burst', 'daily'],
      tokens: 2,
      remaining: 0,
      retryAfterMs: expect.any(Number),
      source: 'redis',
      requestId: 'batch',
    })
    const { items } = (await list({ key: 'user:1' })).body
    expect(items.at(-1)).toMatchObject({ requestId: 'check-1', source: 'redis' })
    const seconds = items.map(({ at }: { at: string }) => at.slice(0, 19))
    expect(new Set(seconds).size).toBe(seconds.length)
  })

  it('returns keys as they are', async () => {
    const { body } = await list({ key: ODD })
    expect(body.items).toEqual([
      {
        ...{ at: expect.any(String), key: ODD, policy: ODD, policyVersion: 1, violated: [], tokens: 1, remaining: 0 },
        ...{ retryAfterMs: null, source: 'policy', requestId: 'blocked' },
      },
    ])
  })

  it.each(OTHER_WAYS)(
    'has the denials of %s, with the id of its request if it has one',
    async (_way, key, requestId) => {
      const { items } = (await list({ key })).body
      expect(items).toHaveLength(1)
      expect(items[0]).toMatchObject({ key, violated: [], tokens: 1, source: 'policy' })
      expect(items[0].requestId).toBe(requestId)
    },
  )

  it('filters by policy and time', async () => {
    expect(new Set(keysOf(await list({ policy: 'user:*' })))).toEqual(new Set(['user:1', 'user:2']))
    expect(keysOf(await list({ policy: 'default' }))).toEqual([])
    const [newest] = (await list()).body.items
    expect(keysOf(await list({ from: newest.at, to: newest.at }))).toContain(newest.key)
    const later = new Date(Date.parse(newest.at) + 1).toISOString()
    expect(keysOf(await list({ from: later }))).toEqual([])
    expect(keysOf(await list({ to: new Date(startedMs - 1).toISOString() }))).toEqual([])
  })

  it('continues with a cursor, which is for the same filters only', async () => {
    const all = (await list({ policy: 'user:*' })).body.items
    const found = []
    let cursor: string | undefined
    do {
      const { body } = await list({ policy: 'user:*', limit: '1', ...(cursor !== undefined && { cursor }) })
      found.push(...body.items)
      cursor = body.nextCursor
      if (cursor !== undefined) {
        expectProblem(await list({ policy: '*', limit: '1', cursor }), 400, 'cursor-invalid')
      }
    } while (cursor !== undefined)
    expect(found).toEqual(all)
  })

  it.each(['', 'x', 'ZDEtMSBhYWFh', '1-1', '%00', '💥'])('refuses the made-up cursor %j', async cursor => {
    expectProblem(await list({ cursor }), 400, 'cursor-invalid')
  })

  it('names what no denial can match', async () => {
    const range = { from: '2026-01-31T12:00:01Z', to: '2026-01-31T13:00:00+01:00' }
    const reversed = await list(range)
    expectFields(reversed, 'validation-failed', ['/query/from', '/query/to'])
    expect(reversed.body.detail).toContain('must not be before "from", 2026-01-31T12:00:01Z')
    expectFields(await list({ from: 'yesterday', to: '2026-02-30T00:00:00Z', policy: 'a*b' }), 'validation-failed', [
      '/query/policy',
      '/query/from',
      '/query/to',
    ])
    expectFields(await list({ key: 'a\u0000' }), 'key-invalid', ['/query/key'])
    expectFields(await list({ limit: '1001' }), 'validation-failed', ['/query/limit'])
  })

  it('does not exist if LOG_KEYS is none', async () => {
    for (let i = 0; i < 3; i++) await discreet.app.client.check('secret', 60)
    expectProblem(await discreet.app.client.get('/denials'), 404, 'not-found')
  })
})
