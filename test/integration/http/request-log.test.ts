import { afterEach, describe, expect, it } from '@jest/globals'
import { pino } from 'pino'
import { eventually } from '../../support/eventually.ts'
import { givenApp } from './given-app.ts'
import { rawRequest } from './raw-http.ts'

type Line = Readonly<Record<string, unknown>>

const lines: Line[] = []
const logger = pino({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line)) })
const given = givenApp({
  logger,
  variables: {
    ADMIN_TOKENS: 'ann:secret-of-an-admin,eve:secret-of-a-reader:read',
    CHECK_TOKENS: 'gate:secret-of-a-checker',
    ADMIN_CAPACITY: '1000',
  },
})
const withPlainKeys = givenApp({ logger, variables: { LOG_KEYS: 'plain', TRUST_PROXY: 'loopback' } }, given)
const admin = () => given.app.as({ authorization: 'Bearer secret-of-an-admin' })
const requests = () => lines.filter(({ msg }) => msg === 'request')
const suppressed = () => requests().reduce((sum, line) => sum + Number(line['suppressed'] ?? 0), 0)

afterEach(() => {
  lines.length = 0
})

async function ask(count: number, path: string, client = given.app.client): Promise<void> {
  for (let asked = 0; asked < count; asked += 50) {
    await Promise.all(Array.from({ length: Math.min(50, count - asked) }, () => client.get(path)))
  }
}

describe('the log of requests', () => {
  it('has no line for probes and scrapes', async () => {
    for (const path of ['/health', '/ready', '/metrics']) await given.app.client.get(path)
    await given.app.client.get('/nothing')
    await eventually(() => expect(requests()).toHaveLength(1))
    expect(requests()).toMatchObject([{ status: 404 }])
  })

  it('names a known token, even if its request is forbidden', async () => {
    const as = (token: string) => given.app.as({ authorization: `Bearer ${token}` })
    await as('secret-of-a-reader').delete('a')
    await as('secret-of-a-checker').get('/config')
    await as('unknown-secret').get('/config')
    await eventually(() => expect(requests()).toHaveLength(3))
    expect(requests().map(({ actor, status }) => `${actor} ${status}`)).toEqual([
      'eve 403',
      'gate 403',
      'anonymous 401',
    ])
    expect(JSON.stringify(lines)).not.toContain('secret')
  })

  it.each([
    ['id', `/commands/${'^'.repeat(8_000)}`, {}],
    ['key in a path', `/config/${'k'.repeat(15_000)}`, {}],
    ['key in a query', `/nothing?key=${'k'.repeat(15_000)}`, {}],
    ['forwarded address', '/nothing', { 'x-forwarded-for': 'a'.repeat(15_000) }],
  ])('has short lines, however long the %s is', async (_, path, headers) => {
    await rawRequest(withPlainKeys.app.port, { path, headers })
    await eventually(() => expect(requests()).toHaveLength(1))
    expect(JSON.stringify(requests()).length).toBeLessThan(1_000)
  })

  it('has a bounded number of lines a second, counts the suppressed ones, and suppresses none of operators', async () => {
    const startMs = performance.now()
    await ask(1_000, '/nothing')
    await ask(200, '/config', given.app.as({ authorization: 'Bearer wrong' }))
    await ask(20, '/config', admin())
    const seconds = Math.ceil((performance.now() - startMs) / 1_000) + 1
    await eventually(() => expect(requests().filter(({ actor }) => actor === 'ann')).toHaveLength(20))
    expect(requests().length).toBeLessThanOrEqual(20 + 50 * seconds)

    // The number of suppressed lines is logged only in the next second.
    await eventually(async () => {
      await given.app.client.get('/nothing')
      expect(suppressed() + requests().length).toBeGreaterThan(1_220)
    })
    expect(suppressed()).toBeGreaterThan(0)
  })
})
