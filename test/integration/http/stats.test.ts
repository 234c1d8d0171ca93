import { randomUUID } from 'node:crypto'
import { expect, it } from '@jest/globals'
import { pino } from 'pino'
import { connect } from '../../../src/redis/connection/connection.ts'
import { RedisOutcomeStore } from '../../../src/redis/insight/redis-outcome-store.ts'
import { eventually } from '../../support/eventually.ts'
import { targetOf } from '../../support/target-of.ts'
import { expectFields } from './expect-problem.ts'
import { givenApp } from './given-app.ts'

const prefix = `t-${randomUUID()}`
const given = givenApp({ variables: { KEY_PREFIX: prefix, ADMIN_TOKENS: 'eve:secret-of-a-reader:read' } })
const reader = () => given.app.as({ authorization: 'Bearer secret-of-a-reader' })

it('/stats counts the checks of the window in steps', async () => {
  const redis = connect('request', {
    target: targetOf(given.store.url),
    name: 'test',
    logger: pino({ level: 'silent' }),
  })
  await eventually(() => redis.ping())
  const store = new RedisOutcomeStore(redis, prefix)
  const nowMs = Date.now()
  for (let agoMs = 10_000; agoMs < 600_000; agoMs += 5_000) {
    await store.add(nowMs - agoMs, { allowed: 4, denied: 3, shadowed: 2, error: 1 })
  }
  redis.disconnect()
  const { status, body } = await reader().get('/stats?window=5m')
  expect(status).toBe(200)
  expect(Date.parse(body.to) - Date.parse(body.from)).toBe(300_000)
  expect(body.stepSeconds).toBe(5)
  const { allowed, denied, shadowed, error } = body.series
  expect(allowed.length).toBe(60)
  expect([allowed[30], denied[30], shadowed[30], error[30]]).toEqual([4, 3, 2, 1])
  expect((await reader().get('/stats')).body.series.allowed.length).toBe(60)
})

it('/stats names a window that it does not have', async () => {
  const answer = await reader().get('/stats?window=2m')
  expectFields(answer, 'validation-failed', ['/query/window'])
  expect(answer.body.detail).toBe('/query/window: must be one of 1m, 5m, 15m, 1h, 6h, 24h; was "2m"')
})

it('/stats needs a token', async () => {
  expect((await given.app.client.get('/stats')).status).toBe(401)
})
