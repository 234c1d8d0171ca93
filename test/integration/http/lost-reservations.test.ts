import { expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { expectProblem } from './expect-problem.ts'
import { givenApp } from './given-app.ts'

// The flush removes policies, too.
const LIMIT = { DEFAULT_CAPACITY: '10', DEFAULT_REFILL_TOKENS: '1', DEFAULT_REFILL_INTERVAL_MS: '1000000' }
const NAMED = { 'idempotency-key': 'job' }
const given = givenApp({ variables: LIMIT })

it('a reservation that a flush of the store has lost is not found, and costs nothing', async () => {
  const { client } = given.app
  const reserve = (tokens: number, headers = {}) =>
    client.request('POST', '/reservations', { key: 'k', tokens }, headers)
  const settle = (id: string, tokens: number) => client.request('POST', `/reservations/${id}/settle`, { tokens })
  /** Samples of what became of reservations, and of what they did cost. */
  const ended = async () =>
    (await client.get('/metrics')).text
      .split('\n')
      .filter(line => /^throttler_(settled|uncharged)_tokens|outcome="(settled|released)/.test(line))

  const { id } = (await reserve(4)).body
  const { id: repeatable } = (await reserve(2, NAMED)).body
  const before = await ended()
  const redis = new Redis(given.store.url)
  await redis.flushall()
  redis.disconnect()

  const calls = [
    settle(id, 4),
    settle(repeatable, 2),
    client.request('POST', `/reservations/${id}/extend`, {}),
    client.request('DELETE', `/reservations/${id}`),
    client.get(`/reservations/${id}`),
  ]
  for (const answer of await Promise.all(calls)) expectProblem(answer, 404, 'reservation-not-found')
  expect(await ended()).toEqual(before)

  const again = await reserve(2, NAMED)
  expect([again.status, again.body.id, again.body.remaining]).toEqual([201, repeatable, 8])
  expect((await settle(repeatable, 10)).body).toMatchObject({ remaining: 0, checks: [{ charged: 10 }] })
})
