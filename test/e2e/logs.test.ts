import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { Client } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { Service } from '../support/service.ts'

const KEY = 'card:secret-4111/1111 1111&1111'
const TOKENS = ['admin-hunter2-hunter2', 'check-hunter2-hunter2']
const POLICY = { capacity: 5, refillTokens: 1 }
const REQUEST_ID = 'follow-me-1'

type Line = Record<string, unknown>

let service: Service
let admin: Client
beforeAll(async () => {
  const tokens = { ADMIN_TOKENS: `ann:${TOKENS[0]}`, CHECK_TOKENS: `gate:${TOKENS[1]}` }
  service = await Service.start({ env: { ...tokens, LOG_LEVEL: 'trace', WEB_CONCURRENCY: '2' } })
  admin = new Client(service.url, { authorization: `Bearer ${TOKENS[0]}` })
})
afterAll(() => service.stop())

const lines = (): Line[] => service.output.filter(line => line.startsWith('{')).map(line => JSON.parse(line) as Line)
const linesOf = (requestId: string) => lines().filter(line => line['requestId'] === requestId)

describe('the logs of all processes, at LOG_LEVEL=trace,', () => {
  it('show neither keys nor tokens, for every request and every failure', async () => {
    const encoded = encodeURIComponent(KEY)
    const check = new Client(service.url, { authorization: `Bearer ${TOKENS[1]}` })
    const askAll = async () => {
      await check.check(KEY)
      await check.check(KEY, 1_000_000)
      await check.request('POST', '/check', `{"key": "${KEY}`)
      await check.request('POST', '/check', { key: KEY, [KEY]: 1 })
      await check.request('POST', '/check/batch', { checks: [{ key: KEY }, { key: KEY, tokens: -1 }] })
      await check.get(`/forward-auth?key=${encoded}`)
      await check.get(`/forward-auth?key=${encoded}&${encoded}=1`)
      await check.get(`/config/${encoded}`)
      await admin.get(`/buckets/${encoded}`)
      await admin.request('DELETE', `/buckets/${encoded}`)
      await admin.put(KEY, POLICY, { prefer: 'wait=1' })
      await admin.put(KEY, { ...POLICY, limits: [] }, { prefer: 'wait=1' })
      await admin.get(`/config/${encoded}?version=9`)
      await admin.get(`/config?prefix=${encoded}&cursor=${Buffer.from(KEY).toString('base64url')}`)
      await admin.delete(KEY, { prefer: 'wait=1' })
      await admin.get(`/nothing/${encoded}/here`)
      await admin.get(`/config/${encoded}%ff`)
      await new Client(service.url, { authorization: `Basic ${btoa(`ann:${TOKENS[0]}`)}` }).get(`/config/${encoded}`)
      await new Client(service.url, { authorization: `Bearer ${TOKENS[0]}x` }).get(`/config/${encoded}`)
    }
    await askAll()
    const [store = 0] = service.pidsOf('throttler store')
    process.kill(store, 'SIGKILL')
    await askAll()

    const log = service.output.join('\n')
    const forms = [KEY, encoded, KEY.replaceAll('/', '\\/'), JSON.stringify(KEY).slice(1, -1)]
    const encodings = (['base64', 'base64url', 'hex'] as const).map(encoding => Buffer.from(KEY).toString(encoding))
    for (const secret of [...forms, ...encodings, 'secret-4111', ...TOKENS, btoa(`ann:${TOKENS[0]}`)]) {
      expect(log).not.toContain(secret)
    }
    expect(lines().length).toBeGreaterThan(40)
  })

  it('show the same hash for the same key, in bodies and paths alike', async () => {
    await eventually(async () => expect((await admin.get('/health')).body.status).toBe('ok'))
    const ask = (path: string, id: string) => admin.request('GET', path, undefined, { 'x-request-id': id })
    await ask('/config/same', 'key-1')
    await ask('/forward-auth?key=same', 'key-2')
    await admin.request('POST', '/check', { key: 'same' }, { 'x-request-id': 'key-3' })
    await eventually(() => {
      const [path, query, body] = ['key-1', 'key-2', 'key-3'].map(id => linesOf(id)[0])
      expect(path?.['path']).toMatch(/^\/config\/[0-9a-f]{12}$/)
      const hash = String(path?.['path']).slice('/config/'.length)
      expect([query?.['key'], body?.['key']]).toEqual([hash, hash])
    })
  })

  it('trace a change from the request through the worker to the processes that obey it', async () => {
    const { status } = await admin.put('followed', POLICY, { 'x-request-id': REQUEST_ID })
    expect(status).toBe(201)
    await eventually(() => {
      const found = linesOf(REQUEST_ID).map(({ role, msg }) => `${role}: ${msg}`)
      expect(found.toSorted()).toEqual([
        'front: change obeyed',
        'front: change obeyed',
        'front: command accepted',
        'front: request',
        'worker: command ended',
      ])
    })
    const ids = new Set(
      linesOf(REQUEST_ID)
        .map(line => line['commandId'])
        .filter(Boolean),
    )
    expect(ids.size).toBe(1)
  })

  it('trace an import in the same way', async () => {
    const headers = { 'content-type': 'application/x-ndjson', prefer: 'wait=60', 'x-request-id': 'follow-me-2' }
    const line = JSON.stringify({ key: 'imported', ...POLICY })
    const { body } = await admin.request('POST', '/config/import', line, headers)
    expect(body).toMatchObject({ status: 'applied', created: 1 })
    await eventually(() => {
      const obeyed = linesOf('follow-me-2').filter(({ msg }) => msg === 'change obeyed')
      expect(obeyed).toMatchObject(Array(2).fill({ role: 'front', commandId: body.commandId }))
    })
  })
})
