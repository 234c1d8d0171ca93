import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { serverTimeMs } from '../../src/redis/connection/server-time.ts'
import type { Answer } from '../support/client.ts'
import { describeWithRedis } from '../support/describe-with-redis.ts'
import { eventually } from '../support/eventually.ts'
import { Installation } from '../support/installation.ts'
import { obeyedByAll } from '../support/obeyed.ts'

const HUNDRED_AND_ONE_AN_HOUR = { capacity: 100, refillTokens: 1, refillIntervalMs: 3_600_000 }
/** Concurrent callers, enough that every process is asked. */
const CALLERS = 16

describeWithRedis('four processes on two machines while Redis is unavailable', () => {
  let installation: Installation

  beforeAll(async () => {
    installation = await Installation.start({ apis: 2, env: { WEB_CONCURRENCY: '2' } })
    const { admin, client, clients } = installation
    await client.put('hourly:*', HUNDRED_AND_ONE_AN_HOUR)
    await obeyedByAll(clients, 'hourly:x', 'hourly:*')
    await eventually(async () => expect(await admin.zcard('{throttler:fronts}')).toBe(4))
    // Every process knows all the others once each has sent another heartbeat. The scores are the times of the last ones.
    const allCounted = await serverTimeMs(admin)
    await eventually(async () => {
      expect(await admin.zcount('{throttler:fronts}', `(${allCounted}`, '+inf')).toBe(4)
    })
  })
  afterAll(() => installation.stop())

  async function admittedOf(checks: number, key: string, tokens = 1): Promise<number> {
    const answers: Answer[] = []
    const callers = Array.from({ length: CALLERS }, async (_, i) => {
      const client = installation.clientOf(i)
      for (let asked = i; asked < checks; asked += CALLERS) answers.push(await client.check(key, tokens))
    })
    await Promise.all(callers)
    expect(answers.filter(({ status }) => status !== 200 && status !== 429)).toEqual([])
    return answers.filter(({ status }) => status === 200).length
  }

  it('admit the capacity, and at most four more, beyond what Redis had admitted', async () => {
    expect(await admittedOf(30, 'hourly:a')).toBe(30)
    await installation.redis.kill()
    const admitted = await admittedOf(400, 'hourly:a')
    expect(admitted).toBeGreaterThanOrEqual(100)
    expect(admitted + (await admittedOf(400, 'hourly:a'))).toBeLessThanOrEqual(104)
  })

  it('admit a check that is larger than a share once, from a full bucket, and go into debt for it', async () => {
    const admitted = await admittedOf(100, 'hourly:b', 60)
    expect(admitted).toBeGreaterThanOrEqual(2)
    expect(admitted).toBeLessThanOrEqual(4)
    const { body } = await installation.client.check('hourly:b', 1)
    expect(body).toMatchObject({ source: 'local', degraded: true })
  })

  it('still admit no more of a new key once all of them were replaced, since their successors know how many there are', async () => {
    await installation.replaceFronts()
    const admitted = await admittedOf(400, 'hourly:c')
    expect(admitted).toBeGreaterThanOrEqual(100)
    expect(admitted).toBeLessThanOrEqual(104)
  })

  it('do not count those checks once Redis has recovered', async () => {
    await installation.redis.restart()
    for (const client of installation.clients) {
      await eventually(async () => expect((await client.check('hourly:a', 0)).body.source).toBe('redis'))
    }
    expect((await installation.client.check('hourly:a', 0)).body).toMatchObject({ source: 'redis', remaining: 100 })
  })
})
