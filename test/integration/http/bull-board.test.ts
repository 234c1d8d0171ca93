import { appRoutes } from '@bull-board/api/dist/routes.js'
import { beforeAll, describe, expect, it } from '@jest/globals'
import { configPartition } from '../../../src/domain/partition.ts'
import { TestApp } from '../../support/app.ts'
import { eventually } from '../../support/eventually.ts'
import { failWaitingJobs } from '../../support/failed-job.ts'
import { expectFields, expectProblem } from './expect-problem.ts'
import { givenApp } from './given-app.ts'
import { rawRequest } from './raw-http.ts'

const KEY_PREFIX = 'board'
const POLICY = { capacity: 5, refillTokens: 1 }
const BASE = '/admin/queues'
const QUEUE = `config-${configPartition('failing')}`

const given = givenApp({
  worker: false,
  variables: {
    ADMIN_TOKENS: 'ann:secret-of-an-admin,eve:secret-of-a-reader:read',
    CHECK_TOKENS: 'gate:secret-of-a-caller',
    KEY_PREFIX,
  },
})
const basic = (token: string) => ({ authorization: `Basic ${btoa(`anybody:${token}`)}` })
const as = (token: string) => given.app.as(basic(token))

let commandId: string
beforeAll(async () => {
  commandId = (
    await as('secret-of-an-admin').request('PUT', '/config/failing', POLICY, {
      authorization: 'Bearer secret-of-an-admin',
    })
  ).body.commandId
  await failWaitingJobs(given.store, KEY_PREFIX, 'failing', 'the disk is full')
})

const jobPath = () => `${BASE}/api/queues/${QUEUE}/${commandId}`

describe('/admin/queues', () => {
  it('asks a browser for a token, and accepts it as the password', async () => {
    const refused = await given.app.client.get(BASE)
    expectProblem(refused, 401, 'unauthorized')
    expect(refused.headers.get('www-authenticate')).toMatch(/^Basic realm="throttler", charset="UTF-8", Bearer /)
    expectProblem(await as('wrong').get(BASE), 401, 'unauthorized')
    expectProblem(await given.app.as({ authorization: 'Basic !' }).get(BASE), 401, 'unauthorized')
    expectProblem(await as('secret-of-a-caller').get(BASE), 403, 'forbidden')
    for (const path of [BASE, `${BASE}/`, `${BASE}/queue/${QUEUE}`]) {
      const page = await as('secret-of-a-reader').get(path)
      expect([page.status, page.headers.get('content-type')]).toEqual([200, expect.stringMatching(/^text\/html/)])
      expect(page.headers.get('cache-control')).toBe('no-store')
      expect(page.headers.get('content-security-policy')).toContain("script-src 'self'")
    }
  })

  it('shows the queues of all partitions, and their jobs with the reasons for failures', async () => {
    const { body } = await as('secret-of-a-reader').get(
      `${BASE}/api/queues?activeQueue=${QUEUE}&status=failed&page=1&jobsPerPage=10`,
    )
    expect(body.queues.map(({ name }: { name: string }) => name)).toEqual([
      'config-0',
      'config-1',
      'config-2',
      'config-3',
    ])
    const { jobs } = body.queues.find(({ name }: { name: string }) => name === QUEUE)
    expect(jobs).toMatchObject([
      { id: commandId, failedReason: 'the disk is full', data: { command: { key: 'failing' } } },
    ])
  })

  const changes = appRoutes.api.flatMap(({ method, route }) =>
    [method].flat().flatMap(verb => [route].flat().map(path => [verb.toUpperCase(), path] as const)),
  )
  const filledIn = (path: string) =>
    BASE +
    path
      .replace(':queueName', QUEUE)
      .replace(':jobId', commandId)
      .replace(':queueStatus', 'completed')
      .replace(/:\w+/, 'x')

  it.each(changes.filter(([method, path]) => method !== 'GET' && !path.endsWith('/:jobId/retry')))(
    'refuses %s %s',
    async (method, path) => {
      const headers = { ...basic('secret-of-an-admin'), 'content-type': 'application/json' }
      expectProblem(await rawRequest(given.app.port, { method, path: filledIn(path), headers }), 403, 'forbidden')
    },
  )

  it.each(changes.filter(([method]) => method === 'GET'))('answers %s %s, which is a read', async (_, path) => {
    expect([200, 400, 404]).toContain((await as('secret-of-a-reader').get(filledIn(path))).status)
  })

  it('refuses a query that Bull Board refuses with a problem that names the parameter', async () => {
    const answer = await as('secret-of-a-reader').get(`${BASE}/api/queues?activeQueue=${QUEUE}&status=zzz`)
    expectFields(answer, 'validation-failed', ['/query/status'])
    expect(answer.body.detail).toBe('/query/status: is not allowed; was "zzz"')
  })

  it('refuses a status that is no name', async () => {
    const answer = await as('secret-of-a-reader').get(`${BASE}/api/queues?activeQueue=${QUEUE}&status=%00`)
    expect(answer.status).toBe(400)
    expect(answer.body.detail).toMatch(/^\/query\/status: /)
  })

  it.each([`/static/${'a'.repeat(300)}`, '/static/....//'])('has nothing at %s', async path => {
    expect(await as('secret-of-a-reader').get(`${BASE}${path}`)).toMatchObject({
      status: 404,
      body: { code: 'not-found' },
    })
  })

  it.each(['', '/api/queues?status=zzz'])('answers HEAD of %s like GET', async path => {
    const reader = as('secret-of-a-reader')
    const [head, get] = await Promise.all([reader.request('HEAD', BASE + path), reader.get(BASE + path)])
    const described = ({ status, headers }: typeof get) => [status, headers.get('content-type')]
    expect(described(head)).toEqual(described(get))
    if (get.status === 200) expect(Number(head.headers.get('content-length'))).toBe(Buffer.byteLength(get.text))
  })

  it.each([
    ['page', '9007199254740991', '1000000; was 9007199254740991'],
    ['jobsPerPage', '101', '100; was 101'],
    ['jobsPerPage', '1e9', '100; was "1e9"'],
    ['jobsPerPage', 'many', '100; was "many"'],
  ])('refuses a %s of %s, since long pages would delay checks', async (name, given, refusal) => {
    const answer = await as('secret-of-a-reader').get(
      `${BASE}/api/queues?activeQueue=${QUEUE}&status=failed&${name}=${given}`,
    )
    expectFields(answer, 'validation-failed', [`/query/${name}`])
    expect(answer.body.detail).toBe(`/query/${name}: must be an integer from 1 to ${refusal}`)
  })

  it('has no job with a very long id', async () => {
    expectProblem(
      await as('secret-of-a-reader').get(`${BASE}/api/queues/${QUEUE}/${'x'.repeat(300)}`),
      404,
      'not-found',
    )
  })

  it.each(['completed', 'events', 'id', 'meta', 'stalled-check', '%65vents', 'x'])(
    'has no job with the id %s, although BullMQ may have a key of this name',
    async id => {
      for (const path of ['', '/logs', '/flow']) {
        const answer = await as('secret-of-a-reader').get(`${BASE}/api/queues/${QUEUE}/${id}${path}`)
        expectProblem(answer, 404, 'not-found')
      }
      const retried = await as('secret-of-an-admin').request('PUT', `${BASE}/api/queues/${QUEUE}/${id}/retry`)
      expectProblem(retried, id.includes('%') ? 403 : 404, id.includes('%') ? 'forbidden' : 'not-found')
    },
  )

  it('has the resources of a queue, and of a job', async () => {
    for (const path of ['metrics', 'workers', commandId, `${commandId}/logs`, `${commandId}/flow`]) {
      expect((await as('secret-of-a-reader').get(`${BASE}/api/queues/${QUEUE}/${path}`)).status).toBe(200)
    }
  })

  it.each([
    ['PUT', '/api/queues/%63onfig-0/pause'],
    ['PUT', `/api/queues/${QUEUE}/%70ause`],
    ['PUT', `/api/queues/${QUEUE}/pause?/retry/failed`],
    ['PUT', `/api/queues/${QUEUE}/pause#/retry/failed`],
    ['PUT', `/api/queues/${QUEUE}/x/../pause/retry`],
    ['PUT', `/api/queues/${QUEUE};x/retry/failed`],
    ['PUT', `/api/queues/${QUEUE}/../retry`],
    ['PUT', `/api/queues/${QUEUE}/./retry`],
    ['DELETE', ''],
    ['POST', '/'],
    ['PATCH', '/api/queues'],
    ['DELETE', `/api/queues/${QUEUE}/retry/failed`],
  ])('refuses disguised changes: %s %s', async (method, path) => {
    const answer = await rawRequest(given.app.port, { method, path: BASE + path, headers: basic('secret-of-an-admin') })
    expectProblem(answer, 403, 'forbidden')
  })

  it.each([
    '/static/../api/queues',
    '/static/%2e%2e/api/queues',
    '/static/.%2E/api/queues',
    '/static/..\\api/queues',
    '/./api/queues',
    '/static//../api/queues',
  ])('has nothing at %s, and asks for a token first', async path => {
    const ask = (headers = {}) => rawRequest(given.app.port, { path: BASE + path, headers })
    expectProblem(await ask(), 401, 'unauthorized')
    expectProblem(await ask(basic('secret-of-a-reader')), 404, 'not-found')
  })

  it.each(['/api/queues/none/1', '/nothing', '/static/none.js'])('has nothing at %s', async path => {
    expectProblem(await as('secret-of-a-reader').get(BASE + path), 404, 'not-found')
  })

  it('refuses changes from pages of another origin', async () => {
    const headers = { ...basic('secret-of-an-admin'), origin: 'http://evil.example' }
    expectProblem(
      await rawRequest(given.app.port, { method: 'PUT', path: `${jobPath()}/retry`, headers }),
      403,
      'forbidden',
    )
  })

  it('lets only failed jobs be retried, and only by admin tokens that are not read-only', async () => {
    expectProblem(await as('secret-of-a-reader').request('PUT', `${jobPath()}/retry`), 403, 'forbidden')
    expect((await as('secret-of-an-admin').request('PUT', `${jobPath()}/retry`)).status).toBe(204)
    expectProblem(await as('secret-of-an-admin').request('PUT', `${jobPath()}/retry`), 403, 'forbidden')
    expectProblem(
      await as('secret-of-an-admin').request('PUT', `${BASE}/api/queues/${QUEUE}/nobody/retry`),
      404,
      'not-found',
    )

    await failWaitingJobs(given.store, KEY_PREFIX, 'failing', 'again')
    expect(
      (await as('secret-of-an-admin').request('PUT', `${BASE}/api/queues/${QUEUE}/retry/failed`)).body,
    ).toMatchObject({
      retried: 1,
    })
    await given.app.startWorker()
    const bearer = given.app.as({ authorization: 'Bearer secret-of-an-admin' })
    await eventually(async () => expect((await bearer.get('/config/failing')).body).toMatchObject({ version: 1 }))
    expectProblem(await as('secret-of-an-admin').request('PUT', `${jobPath()}/retry`), 403, 'forbidden')
  })

  it('retries a job once for concurrent requests', async () => {
    const app = await TestApp.start(given.store, { variables: { KEY_PREFIX: 'together' }, worker: false })
    try {
      const { commandId: id } = (await app.client.request('PUT', '/config/failing', POLICY)).body
      for (let round = 0; round < 20; round++) {
        await failWaitingJobs(given.store, 'together', 'failing', 'the disk is full')
        const retry = () => app.client.request('PUT', `${BASE}/api/queues/${QUEUE}/${id}/retry`)
        const statuses = (await Promise.all(Array.from({ length: 5 }, retry))).map(({ status }) => status)
        expect(statuses).toContain(204)
        expect(statuses.filter(status => status !== 204 && status !== 403)).toEqual([])
      }
    } finally {
      await app.close()
    }
  })

  it('retries all failed jobs once for concurrent requests', async () => {
    const app = await TestApp.start(given.store, { variables: { KEY_PREFIX: 'all-together' }, worker: false })
    try {
      await app.client.request('PUT', '/config/failing', POLICY)
      for (let round = 0; round < 10; round++) {
        await failWaitingJobs(given.store, 'all-together', 'failing', 'the disk is full')
        const retry = () => app.client.request('PUT', `${BASE}/api/queues/${QUEUE}/retry/failed`)
        const answers = await Promise.all(Array.from({ length: 5 }, retry))
        expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200])
        expect(answers.reduce((sum, { body }) => sum + body.retried, 0)).toBe(1)
      }
    } finally {
      await app.close()
    }
  })
})
