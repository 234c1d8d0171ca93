import { describe, expect, it } from '@jest/globals'
import { descriptor } from '../../support/grpc-client.ts'
import { givenApp } from '../http/given-app.ts'
import { givenGrpcClient } from './given-grpc-client.ts'

/** Nothing refills during a test. */
const SLOWLY = { refillTokens: 1, refillIntervalMs: 2_678_400_000 }
const UNLIMITED = 4_294_967_295

const given = givenApp({ variables: { GRPC_PORT: '0', RATELIMIT_HEADERS: 'both' } })
const grpc = givenGrpcClient(() => given.app.grpcPort)

const put = (key: string, policy: object) => given.app.client.put(key, policy)
const ask = (domain: string, ...descriptors: object[]) => grpc.client.ask({ domain, descriptors })

describe('a descriptor', () => {
  it('is decided by the policy that matches it, and has a bucket of its own', async () => {
    await put('rls;edge;remote_address', { capacity: 2, ...SLOWLY })
    const address = descriptor('remote_address', '10.0.0.1')
    expect(await ask('edge', address)).toMatchObject({
      overallCode: 'OK',
      statuses: [
        {
          code: 'OK',
          currentLimit: { name: 'default', requestsPerUnit: 2 },
          limitRemaining: 1,
          durationUntilReset: { seconds: 2_678_400 },
        },
      ],
      responseHeadersToAdd: expect.arrayContaining([
        { key: 'ratelimit', value: expect.stringMatching(/^"default";r=1;t=\d+$/) },
        { key: 'x-ratelimit-limit', value: '2' },
      ]),
    })
    await ask('edge', address)
    const denied = await ask('edge', address)
    expect(denied).toMatchObject({ overallCode: 'OVER_LIMIT', statuses: [{ code: 'OVER_LIMIT' }] })
    expect(denied).toMatchObject({
      responseHeadersToAdd: expect.arrayContaining([
        { key: 'retry-after', value: expect.stringMatching(/^2678\d{3}$/) },
      ]),
    })
    expect(await ask('edge', descriptor('remote_address', '10.0.0.2'))).toMatchObject({ overallCode: 'OK' })
    expect((await given.app.client.get('/buckets/rls%3Bedge%3Bremote_address%3D10.0.0.1')).body).toMatchObject({
      remaining: 0,
      definition: { policy: 'rls;edge;remote_address' },
    })
  })

  it('without a policy is OK without a limit, whatever policies other keys have', async () => {
    await put('*', { mode: 'block' })
    for (const descriptors of [
      [descriptor('nothing', 'x')],
      [descriptor()],
      [descriptor('remote_address', 'a', 'b', 'c')],
    ]) {
      expect(await ask('edge', ...descriptors)).toEqual({ overallCode: 'OK', statuses: [{ code: 'OK' }] })
    }
    await given.app.client.delete('*')
  })

  it('takes an exact value before a prefix, and a prefix before any value, and goes back where a choice leads nowhere', async () => {
    await put('rls;api;path=/v1/*;method', { mode: 'block' })
    await put('rls;api;path=/v1/users;method=GET', { mode: 'off' })
    expect(await ask('api', descriptor('path', '/v1/users', 'method', 'GET'))).toMatchObject({ overallCode: 'OK' })
    expect(await ask('api', descriptor('path', '/v1/users', 'method', 'PUT'))).toMatchObject({
      overallCode: 'OVER_LIMIT',
    })
  })

  it('shares no bucket with another one that has the same characters', async () => {
    await put('rls;sep;a', { capacity: 1, ...SLOWLY })
    await put('rls;sep;a_b', { capacity: 1, ...SLOWLY })
    const answers = [await ask('sep', descriptor('a', 'b_c')), await ask('sep', descriptor('a_b', 'c'))]
    expect(answers).toEqual([
      expect.objectContaining({ overallCode: 'OK' }),
      expect.objectContaining({ overallCode: 'OK' }),
    ])
  })

  it('with a text longer than a key has a bucket under its head and a hash', async () => {
    await put('rls;long;path', { capacity: 1, ...SLOWLY })
    const [one, other] = ['a', 'b'].map(end => descriptor('path', 'é'.repeat(4_095) + end)) as [object, object]
    expect(await ask('long', one, other)).toMatchObject({ overallCode: 'OK' })
    expect(await ask('long', one)).toMatchObject({ overallCode: 'OVER_LIMIT' })
  })
})

describe('the mode of a policy', () => {
  it.each([
    ['off', { overallCode: 'OK', statuses: [{ code: 'OK', limitRemaining: UNLIMITED }] }],
    ['block', { overallCode: 'OVER_LIMIT', statuses: [{ code: 'OVER_LIMIT' }] }],
  ])('%s needs no limits', async (mode, answer) => {
    await put(`rls;mode;${mode}`, { mode })
    const { statuses, ...rest } = (await ask('mode', descriptor(mode, 'x'))) as unknown as { statuses: object[] }
    expect({ ...rest, statuses }).toMatchObject(answer)
    expect(statuses[0]).not.toHaveProperty('currentLimit')
    expect(rest).not.toHaveProperty('responseHeadersToAdd')
  })

  it('shadow is always OK', async () => {
    await put('rls;mode;shadow', { capacity: 1, ...SLOWLY, mode: 'shadow' })
    for (const _ of [1, 2]) expect(await ask('mode', descriptor('shadow', 'x'))).toMatchObject({ overallCode: 'OK' })
  })
})

describe('several descriptors', () => {
  it('are each decided, in order, and one over its limit decides for all', async () => {
    await put('rls;many;a', { capacity: 5, ...SLOWLY })
    await put('rls;many;b', { capacity: 1, ...SLOWLY })
    const [a, b, none] = ['a', 'b', 'none'].map(key => descriptor(key, 'x')) as [object, object, object]
    expect(await ask('many', a, none, b)).toMatchObject({
      overallCode: 'OK',
      statuses: [{ limitRemaining: 4 }, { code: 'OK' }, { code: 'OK' }],
      responseHeadersToAdd: expect.arrayContaining([{ key: 'x-ratelimit-limit', value: '1' }]),
    })
    expect(await ask('many', a, none, b)).toMatchObject({
      overallCode: 'OVER_LIMIT',
      statuses: [{ code: 'OK', limitRemaining: 3 }, { code: 'OK' }, { code: 'OVER_LIMIT' }],
    })
  })
})

describe('hits', () => {
  it('are those of the descriptor, else those of the request, of which 0 counts as 1', async () => {
    await put('rls;hits;a', { capacity: 100, ...SLOWLY })
    const remaining = async (hits: object, ofDescriptor: object = {}) => {
      const descriptors = [{ ...descriptor('a', 'x'), ...ofDescriptor }]
      const answer = (await grpc.client.ask({ domain: 'hits', descriptors, ...hits })) as unknown as {
        statuses: { limitRemaining: number }[]
      }
      return answer.statuses[0]?.limitRemaining
    }
    expect(await remaining({})).toBe(99)
    expect(await remaining({ hitsAddend: 9 })).toBe(90)
    expect(await remaining({ hitsAddend: 9 }, { hitsAddend: { value: 0 } })).toBe(90)
    expect(await remaining({ hitsAddend: 9 }, { hitsAddend: { value: 40 } })).toBe(50)
  })

  it.each([101, 1_000_000_001, Number.MAX_SAFE_INTEGER])(
    '%i, more than the limit ever holds, are over the limit',
    async value => {
      await put('rls;hits;b', { capacity: 100, ...SLOWLY })
      const answer = await ask('hits', { ...descriptor('b', 'x'), hitsAddend: { value } })
      expect(answer).toMatchObject({
        overallCode: 'OVER_LIMIT',
        statuses: [{ code: 'OVER_LIMIT', limitRemaining: 100 }],
      })
    },
  )

  it('that are given back can be spent again, at most as many as were spent', async () => {
    await put('rls;hits;c', { capacity: 100, ...SLOWLY })
    const giveBack = (value: number) =>
      ask('hits', { ...descriptor('c', 'x'), hitsAddend: { value }, isNegativeHits: true })
    await ask('hits', { ...descriptor('c', 'x'), hitsAddend: { value: 60 } })
    expect(await giveBack(50)).toMatchObject({ overallCode: 'OK', statuses: [{ code: 'OK', limitRemaining: 90 }] })
    expect(await giveBack(50)).toMatchObject({ overallCode: 'OK', statuses: [{ code: 'OK', limitRemaining: 100 }] })
  })

  it('that are reported at the end of a stream are charged with overdraft, and deny the next request', async () => {
    await put('rls;hits;model', { capacity: 100, ...SLOWLY, overdraft: true })
    const model = descriptor('model', 'x')
    const hits = (value: number) => ({ ...model, hitsAddend: { value } })
    expect(await ask('hits', hits(0))).toMatchObject({ overallCode: 'OK', statuses: [{ limitRemaining: 100 }] })
    expect(await ask('hits', hits(140))).toMatchObject({
      overallCode: 'OVER_LIMIT',
      statuses: [{ code: 'OVER_LIMIT' }],
    })
    expect(await ask('hits', hits(0))).toMatchObject({ overallCode: 'OVER_LIMIT', statuses: [{ code: 'OVER_LIMIT' }] })
    expect(await ask('hits', { ...hits(10), isNegativeHits: true })).toMatchObject({ overallCode: 'OK' })
    expect(await ask('hits', hits(0))).toMatchObject({ overallCode: 'OVER_LIMIT' })
    expect(await ask('hits', { ...hits(50), isNegativeHits: true })).toMatchObject({
      overallCode: 'OK',
      statuses: [{ limitRemaining: 20 }],
    })
    expect(await ask('hits', hits(0))).toMatchObject({ overallCode: 'OK', statuses: [{ limitRemaining: 20 }] })
  })

  it('that are given back are OK, also if the policy blocks', async () => {
    await put('rls;hits;blocked', { mode: 'block' })
    const asked = { ...descriptor('blocked', 'x'), isNegativeHits: true }
    expect(await ask('hits', asked)).toMatchObject({ overallCode: 'OK', statuses: [{ code: 'OK' }] })
  })
})

describe('a limit in a descriptor', () => {
  const withLimit = (key: string, requestsPerUnit: number, unit: string) => ({
    ...descriptor(key, 'x'),
    limit: { requestsPerUnit, unit },
  })

  it.each(['SECOND', 'MINUTE', 'HOUR', 'DAY', 'WEEK', 'MONTH', 'YEAR'])(
    'of a %s works without a policy',
    async unit => {
      expect(await ask('override', withLimit(unit, 7, unit))).toMatchObject({
        overallCode: 'OK',
        statuses: [{ currentLimit: { name: 'default', requestsPerUnit: 7, unit }, limitRemaining: 6 }],
      })
    },
  )

  it('replaces the limits of the policy', async () => {
    await put('rls;override;a', { capacity: 1, ...SLOWLY })
    expect(await ask('override', withLimit('a', 5, 'DAY'))).toMatchObject({ statuses: [{ limitRemaining: 4 }] })
  })

  it.each([
    ['block', 'OVER_LIMIT'],
    ['off', 'OK'],
  ])('does not replace the mode %s', async (mode, overallCode) => {
    await put(`rls;override;${mode}`, { mode })
    for (const _ of [1, 2]) expect(await ask('override', withLimit(mode, 1, 'DAY'))).toMatchObject({ overallCode })
  })

  it('of 0 blocks', async () => {
    expect(await ask('override', withLimit('zero', 0, 'DAY'))).toMatchObject({ overallCode: 'OVER_LIMIT' })
  })

  it('above the largest capacity counts as the largest', async () => {
    expect(await ask('override', withLimit('huge', UNLIMITED, 'SECOND'))).toMatchObject({
      statuses: [{ currentLimit: { requestsPerUnit: 1_000_000_000, unit: 'SECOND' } }],
    })
  })

  it('without a unit is refused by name', async () => {
    expect(await ask('override', { ...descriptor('a', 'x'), limit: { requestsPerUnit: 1 } })).toEqual({
      status: 'INVALID_ARGUMENT',
      message: expect.stringContaining('descriptors[0].limit.unit: must be one of SECOND, MINUTE'),
    })
  })
})

describe('a request', () => {
  const thousand = (count: number) => Array.from({ length: count }, () => descriptor('many', 'x'))

  it.each([
    ['without a domain', '', [descriptor('a', 'b')], 'domain: must not be empty'],
    ['without descriptors', 'edge', [], 'descriptors: must not be empty'],
    ['with 1,001 descriptors', 'edge', thousand(1_001), 'descriptors: must be at most 1000'],
  ])('%s is an invalid argument', async (_name, domain, descriptors, message) => {
    expect(await ask(domain, ...descriptors)).toEqual({ status: 'INVALID_ARGUMENT', message })
  })

  it('can have 1,000 descriptors, each of which is decided', async () => {
    await put('rls;edge;many', { capacity: 999, ...SLOWLY })
    const { overallCode, statuses } = (await ask('edge', ...thousand(1_000))) as {
      overallCode: string
      statuses: { code: string }[]
    }
    expect([overallCode, statuses.filter(({ code }) => code === 'OK').length]).toEqual(['OVER_LIMIT', 999])
  })
})
