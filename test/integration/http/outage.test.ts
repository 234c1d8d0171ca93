import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { TestApp } from '../../support/app.ts'
import { eventually } from '../../support/eventually.ts'
import { promised } from '../../support/promised.ts'
import { expectProblem } from './expect-problem.ts'
import { givenApp } from './given-app.ts'

const KEY_PREFIX = `t-${randomUUID()}`
const SLOW = { capacity: 4, refillTokens: 1, refillIntervalMs: 1_000_000 }
const given = givenApp({ variables: { KEY_PREFIX } })

/** A front process of the same service whose bucket store is unavailable. */
let cutOff: TestApp
beforeAll(async () => {
  const urls = { REDIS_URL: 'redis://127.0.0.1:1', CONFIG_REDIS_URL: given.store.url }
  const variables = { KEY_PREFIX, WEB_CONCURRENCY: '2', LOG_LEVEL: 'silent', ...urls }
  cutOff = await TestApp.start(given.store, { variables, worker: false })
  for (const onStoreFailure of ['deny', 'allow', 'local']) {
    await cutOff.client.put(onStoreFailure, { ...SLOW, onStoreFailure })
  }
  await cutOff.client.put('shadow', { ...SLOW, mode: 'shadow', onStoreFailure: 'deny' })
  await cutOff.client.put('block', { ...SLOW, mode: 'block', onStoreFailure: 'deny' })
  await cutOff.client.put('off', { ...SLOW, mode: 'off', onStoreFailure: 'deny' })
})
afterAll(() => cutOff.close())

describe('while the bucket store is unavailable', () => {
  it('a batch decides each check by the onStoreFailure of its policy', async () => {
    const keys = ['deny', 'allow', 'local', 'shadow', 'block', 'off']
    const checks = keys.map(key => ({ key, tokens: 2 }))
    const { status, body } = await cutOff.client.request('POST', '/check/batch', { checks })
    expect(status).toBe(200)
    const [deny, ...others] = body.results
    expect(deny).toEqual({
      key: 'deny',
      allowed: false,
      status: 503,
      code: 'store-unavailable',
      title: 'The bucket store is unavailable',
      detail: expect.stringMatching(/no decision about the limit/),
    })
    const unknown = { remaining: null, resetAfterMs: null }
    expect(others).toMatchObject([
      { key: 'allow', allowed: true, source: 'outage', degraded: true, ...unknown },
      { key: 'local', allowed: true, source: 'local', degraded: true, limit: 4, remaining: 0 },
      { key: 'shadow', allowed: true, source: 'local', degraded: true },
      { key: 'block', allowed: false, source: 'policy', code: 'blocked' },
      { key: 'off', allowed: true, source: 'policy', remaining: 4 },
    ])
    for (const result of others.slice(3)) expect(result).not.toHaveProperty('degraded')
  })

  it.each(['', '&deny=403'])(
    'forward-auth answers 503, not a denial, where onStoreFailure is deny (%j)',
    async deny => {
      const answer = await cutOff.client.get(`/forward-auth?key=deny${deny}`)
      expectProblem(answer, 503, 'store-unavailable')
      expect(answer.headers.get('retry-after')).toBe('1')
      expect(answer.headers.get('ratelimit')).toBeNull()
    },
  )

  it('forward-auth allows where onStoreFailure is allow, without RateLimit fields', async () => {
    const answer = await cutOff.client.get('/forward-auth?key=allow')
    expect([answer.status, answer.text]).toEqual([200, ''])
    expect(answer.headers.get('ratelimit')).toBeNull()
  })

  it('checks that are decided together get 503 if one policy denies, and otherwise spend locally or not at all', async () => {
    const checkAll = (...keys: string[]) =>
      cutOff.client.request('POST', '/check/all', { checks: keys.map(key => ({ key, tokens: 2 })) })
    await cutOff.client.put('share:*', { ...SLOW, onStoreFailure: 'local' })
    expectProblem(await checkAll('share:a', 'deny'), 503, 'store-unavailable')
    expectProblem(await checkAll('share:a', 'deny', 'block'), 429, 'blocked')
    const allowed = await checkAll('share:a', 'shadow', 'allow', 'off')
    expect([allowed.status, allowed.body.key, allowed.body.degraded]).toEqual([200, 'share:a', true])
    const denied = await checkAll('share:a', 'share:b')
    expectProblem(denied, 429, 'quota-exceeded')
    expect(denied.body.results).toMatchObject([
      { key: 'share:a', allowed: false, source: 'local', remaining: 0 },
      { key: 'share:b', allowed: true, source: 'local', remaining: 2 },
    ])
    expect((await cutOff.client.get('/forward-auth?key=share:b&key=allow&tokens=2')).status).toBe(200)
  })

  it('a reservation holds nothing, and its calls get 503', async () => {
    const reserve = (key: string) => cutOff.client.request('POST', '/reservations', { key })
    expectProblem(await reserve('deny'), 503, 'store-unavailable')
    for (const key of ['allow', 'share:c']) {
      const { status, headers, body } = await reserve(key)
      expect([status, headers.get('location')]).toEqual([201, null])
      expect(body).toMatchObject({ id: null, expiresAt: null, allowed: true, degraded: true })
    }
    const path = `/reservations/7-${'a'.repeat(22)}`
    for (const [method, of] of [
      ['POST', '/settle'],
      ['POST', '/extend'],
      ['GET', ''],
      ['DELETE', ''],
    ] as const) {
      const answer = await cutOff.client.request(method, path + of)
      expectProblem(answer, 503, 'store-unavailable')
      expect(answer.headers.get('retry-after')).toBe('1')
    }
  })

  it('a bucket is 503 where onStoreFailure is deny, and otherwise shown as degraded', async () => {
    expectProblem(await cutOff.client.get('/buckets/deny'), 503, 'store-unavailable')
    const shown = await cutOff.client.get('/buckets/allow')
    expect(shown.body).toMatchObject({ source: 'outage', degraded: true, remaining: null })
    expect(shown.body.definition).toMatchObject({ policy: 'allow', version: 1, onStoreFailure: 'allow' })
    const local = { source: 'local', degraded: true, remaining: 0 }
    for (let i = 0; i < 2; i++) {
      expect((await cutOff.client.get('/buckets/local')).body).toMatchObject({ ...local, allowed: false })
      expect((await cutOff.client.get('/buckets/local?tokens=0')).body).toMatchObject({ ...local, allowed: true })
    }
  })

  it('no bucket can be reset, under any policy', async () => {
    for (const key of ['deny', 'allow', 'local']) {
      const answer = await cutOff.client.request('DELETE', `/buckets/${key}`)
      expectProblem(answer, 503, 'store-unavailable')
      expect(answer.headers.get('retry-after')).toBe('1')
    }
  })

  it('a front process that can reach it decides as usual', async () => {
    expect((await given.app.client.check('deny', 0)).body).toMatchObject({ source: 'redis', remaining: 4 })
  })

  it.each(['/top', '/stats', '/denials'])('%s is store-unavailable', async path => {
    expectProblem(await cutOff.client.get(path), 503, 'store-unavailable')
  })

  it('sampled denials are lost, which is counted and delays no check', async () => {
    const startMs = performance.now()
    expect((await cutOff.client.check('block')).status).toBe(429)
    expect(performance.now() - startMs).toBeLessThan(promised(1_000))
    await eventually(async () => {
      const { text } = await cutOff.client.get('/metrics')
      expect(text).toMatch(/^throttler_insight_reports_lost_total\{report="denials"\} [1-9]/m)
    })
  })
})
