import { describe, expect, it } from '@jest/globals'
import { expectFields, expectProblem } from './expect-problem.ts'
import { givenApp } from './given-app.ts'

const given = givenApp()
const client = () => given.app.client
/** Refills so slowly that no token comes back during a test. */
const SLOW = { refillTokens: 1, refillIntervalMs: 1_000_000 }

function batch(checks: readonly unknown[]) {
  return client().request('POST', '/check/batch', { checks })
}

function keys(count: number): { key: string; tokens: number }[] {
  return Array.from({ length: count }, (_, i) => ({ key: `many-${i}`, tokens: 1 }))
}

describe('a batch', () => {
  it('is answered in order, with one token for each check by default', async () => {
    await client().put('batch:*', { ...SLOW, capacity: 10 })
    const { status, body } = await batch([
      { key: 'batch:a' },
      { key: 'batch:b', tokens: 3 },
      { key: 'batch:a', tokens: 0 },
    ])
    expect(status).toBe(200)
    expect(body.results).toMatchObject([
      { allowed: true, key: 'batch:a', policy: 'batch:*', remaining: 9, source: 'redis' },
      { allowed: true, key: 'batch:b', policy: 'batch:*', remaining: 7, source: 'redis' },
      { allowed: true, key: 'batch:a', policy: 'batch:*', remaining: 9, source: 'redis' },
    ])
  })

  it('decides the checks of a repeated key one after another, also across several calls of the store', async () => {
    await client().put('repeated', { ...SLOW, capacity: 500 })
    const { body } = await batch(Array.from({ length: 600 }, () => ({ key: 'repeated' })))
    const allowed = body.results.map((result: { allowed: boolean }) => result.allowed)
    expect(allowed).toEqual([...Array(500).fill(true), ...Array(100).fill(false)])
    expect(body.results[499]).toMatchObject({ remaining: 0 })
    expect(body.results[500]).toMatchObject({ 'violated-policies': ['default'], remaining: 0 })
    expect(body.results[500]).not.toHaveProperty('code')
  })

  it('decides each check for itself', async () => {
    await client().put('small', { ...SLOW, capacity: 2 })
    await client().put('shut', { ...SLOW, capacity: 2, mode: 'block' })
    const { body } = await batch([{ key: 'small', tokens: 3 }, { key: 'shut' }, { key: 'small', tokens: 2 }])
    expect(body.results[0]).toEqual({
      key: 'small',
      allowed: false,
      status: 400,
      code: 'tokens-exceed-capacity',
      title: expect.any(String),
      detail: expect.stringContaining('3 tokens'),
    })
    expect(body.results[1]).toMatchObject({ allowed: false, code: 'blocked', retryAfterMs: null, remaining: 0 })
    expect(body.results[1]).not.toHaveProperty('violated-policies')
    expect(body.results[2]).toMatchObject({ allowed: true, remaining: 0 })
  })

  it('spends up to 10^9 tokens in one check', async () => {
    const most = 1_000_000_000
    await client().put('most', { ...SLOW, capacity: most })
    const { body } = await batch([most, 1, most].map(tokens => ({ key: 'most', tokens })))
    expect(body.results).toMatchObject([
      { allowed: true, remaining: 0, resetAfterMs: most * 1_000_000 },
      { allowed: false, remaining: 0 },
      { allowed: false, remaining: 0 },
    ])
    const { retryAfterMs } = body.results[2]
    expect(retryAfterMs).toBe(most * 1_000_000)
  })

  it('accepts 1,000 checks with the longest keys', async () => {
    const key = '\u{1F512}'.repeat(64)
    const { body } = await batch(Array.from({ length: 1000 }, () => ({ key, tokens: 0 })))
    expect(body.results).toHaveLength(1000)
    expect(body.results[999]).toMatchObject({ allowed: true, key })
  })

  it.each([
    [0, 'has 0'],
    [1001, 'has 1001'],
  ])('of %d checks is refused', async (count, message) => {
    const answer = await batch(keys(count))
    expectFields(answer, 'validation-failed', ['/checks'])
    expect(answer.body.detail).toContain(message)
  })

  it('is refused as a whole if some checks are invalid, naming each', async () => {
    const checks: { key: unknown; tokens: unknown }[] = keys(1000)
    checks[3] = { key: 'many-3', tokens: '1' }
    checks[977] = { key: 'a\u0000b', tokens: 1 }
    const answer = await batch(checks)
    expectFields(answer, 'validation-failed', ['/checks/3/tokens', '/checks/977/key'])
    expect((await client().check('many-0', 0)).body.remaining).toBe(100)
  })

  it('is refused as key-invalid if only keys are invalid', async () => {
    expectFields(await batch([{ key: 'fine' }, { key: '..' }]), 'key-invalid', ['/checks/1/key'])
  })

  it('of more than 4 MiB is too large', async () => {
    const answer = await client().request(
      'POST',
      '/check/batch',
      JSON.stringify({ checks: [{ key: 'x'.repeat(4 << 20) }] }),
    )
    expectProblem(answer, 413, 'body-too-large')
    expect(answer.body.detail).toContain('4194304')
  })
})

describe('a batch of more checks than may wait', () => {
  // The default policy must not refill during the test, which counts tokens.
  const variables = { MAX_WAITING_CHECKS: '10', DEFAULT_REFILL_INTERVAL_MS: '2678400000' }
  const crowded = givenApp({ variables }, given)

  it('has the first decided and the others refused at once, which spends nothing and leaves room for the next batch', async () => {
    const checks = Array.from({ length: 300 }, () => ({ key: 'crowd' }))
    for (const remaining of [90, 80]) {
      const { status, body } = await crowded.app.client.request('POST', '/check/batch', { checks })
      expect(status).toBe(200)
      expect(body.results[9]).toMatchObject({ allowed: true, remaining })
      expect(body.results[10]).toEqual({
        key: 'crowd',
        allowed: false,
        status: 503,
        code: 'overloaded',
        title: 'The service is overloaded',
        detail: expect.stringContaining('MAX_WAITING_CHECKS'),
      })
      expect(new Set(body.results.slice(10).map(({ code }: { code: string }) => code))).toEqual(new Set(['overloaded']))
    }
  })

  it('still has checks decided that need no store', async () => {
    await crowded.app.client.put('shut', { ...SLOW, capacity: 1, mode: 'block' })
    const checks = [...Array.from({ length: 300 }, () => ({ key: 'crowd' })), { key: 'shut' }]
    const { body } = await crowded.app.client.request('POST', '/check/batch', { checks })
    expect(body.results[300]).toMatchObject({ source: 'policy', code: 'blocked' })
  })
})
