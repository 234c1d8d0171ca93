import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import type { ReservationId } from '../../../src/domain/reservation-id.ts'
import { BucketKeys } from '../../../src/redis/keys.ts'
import { expectProblem } from './expect-problem.ts'
import { givenApp } from './given-app.ts'

const keys = new BucketKeys('damaged')
const given = givenApp({ variables: { KEY_PREFIX: 'damaged', LOG_LEVEL: 'fatal' } })
let redis: Redis
beforeAll(() => {
  redis = new Redis(given.store.url)
})
afterAll(() => redis.disconnect())

it('a reservation whose record is damaged is not found, or answers as before, and never fails', async () => {
  const { client } = given.app
  const reserve = async (key: string) =>
    (await client.request('POST', '/reservations', { key, tokens: 2 })).body.id as ReservationId
  const recordBytes = await redis.strlen(keys.record(await reserve('damaged')))
  expect(recordBytes).toBeGreaterThan(0)
  const other = await reserve('other')
  const spoilers = Array.from({ length: recordBytes }, (_, at) => [0, 255].map(byte => ({ at, byte }))).flat()
  for (const { at, byte } of spoilers) {
    const id = await reserve(`damaged:${at}:${byte}`)
    await redis.setrange(keys.record(id), at, Buffer.from([byte]))
    const answers = await Promise.all([
      client.get(`/reservations/${id}`),
      client.request('POST', `/reservations/${id}/extend`, {}),
      client.request('POST', `/reservations/${id}/settle`, {}),
      client.request('POST', `/reservations/${other}/extend`, {}),
    ])
    for (const { status } of answers) expect([200, 404, 409]).toContain(status)
    expect(answers.at(-1)?.status).toBe(200)
  }
})

it('a damaged reservation is counted and logged', async () => {
  const { client } = given.app
  const damagedCount = async () =>
    Number(/^throttler_malformed_buckets_total (\d+)$/m.exec((await client.get('/metrics')).text)?.[1])
  const before = await damagedCount()
  const { id } = (await client.request('POST', '/reservations', { key: 'counted', tokens: 2 })).body
  await redis.set(keys.record(id), 'x', 'KEEPTTL')
  expectProblem(await client.get(`/reservations/${id}`), 404, 'reservation-not-found')
  expect(await damagedCount()).toBe(before + 1)
  await client.request('POST', '/reservations', { key: 'set', tokens: 2 })
  await client.request('POST', '/reservations', { key: 'set', tokens: 3 })
  await redis.set(keys.holds('set'), 'x')
  const third = await client.request('POST', '/reservations', { key: 'set', tokens: 4 })
  expect(third.body).toMatchObject({ remaining: 91 })
  expect(await damagedCount()).toBe(before + 2)
})
