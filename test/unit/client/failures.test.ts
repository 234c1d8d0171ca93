import { afterEach, describe, expect, it } from '@jest/globals'
import { type Check, ServiceError, Throttler, type ThrottlerOptions } from '../../../clients/typescript/src/index.ts'
import { allowAll, decision, FakeService, problem } from '../../support/fake-service.ts'

/** So long that no call takes longer on a busy machine. */
const TIMEOUT_MS = 10_000

let service: FakeService
let failures: unknown[]
afterEach(() => service.stop())

type Answer = NonNullable<ConstructorParameters<typeof FakeService>[0]>

async function given(answer: Answer, options: Partial<ThrottlerOptions> = {}): Promise<Throttler> {
  service = await new FakeService(answer).start()
  failures = []
  const onError = (failure: unknown) => failures.push(failure)
  return new Throttler({ url: service.url, onFailure: 'allow', timeoutMs: TIMEOUT_MS, onError, ...options })
}

const html: Answer = (_, response) => {
  response.writeHead(502, { 'content-type': 'text/html' }).end('<h1>Bad Gateway</h1>')
}

const FAILURES: [string, Answer, object][] = [
  [
    'a proxy answers in its place',
    html,
    { message: expect.stringMatching(/\/check(\/batch)? answered 502 without JSON/) },
  ],
  ['the path is wrong', (_, response) => problem(response, 404, 'not-found'), { code: 'not-found', status: 404 }],
  ['another service answers', () => ({ hello: 'world' }), { message: expect.stringContaining('malformed answer') }],
  ['the answer is not an object', () => 'hello', { message: expect.stringContaining('answered 200 without JSON') }],
  [
    'a gateway has limits of its own',
    (_, response) => {
      response.writeHead(429)
      return { message: 'slow down' }
    },
    { message: expect.stringContaining('answered 429: {"message":"slow down"}') },
  ],
  [
    'the URL redirects',
    (_, response) => {
      response.writeHead(301, { location: '/elsewhere' }).end()
    },
    { name: 'TypeError' },
  ],
  [
    'a gateway has another format of errors',
    (_, response) => problem(response, 400, 'bad-request', { errors: { '/checks/0': 'no' } }),
    { code: 'bad-request', errors: [] },
  ],
  [
    'the token is wrong',
    (_, response) => problem(response, 401, 'unauthorized'),
    { code: 'unauthorized', status: 401 },
  ],
  [
    'the answer does not end',
    (_, response) => {
      const part = 'x'.repeat(1_000_000)
      const send = () => {
        while (!response.destroyed && response.write(part));
      }
      response.on('drain', send)
      send()
    },
    { message: expect.stringMatching(/\/check(\/batch)? answered more than 16777216 bytes/) },
  ],
  ['the connection breaks', (_, response) => void response.destroy(), { name: 'TypeError' }],
  [
    'the bucket store is unavailable',
    (_, response) => problem(response, 503, 'store-unavailable'),
    { name: 'ServiceError', code: 'store-unavailable' },
  ],
  [
    'the check exceeds the capacity',
    (_, response) => problem(response, 400, 'tokens-exceed-capacity'),
    { name: 'ServiceError', code: 'tokens-exceed-capacity' },
  ],
]

describe('an answer that is no complete decision', () => {
  const limits = [{ name: 'a b', limit: 1, remaining: 1, retryAfterMs: 0, resetAfterMs: 0 }]
  it.each([
    ['has nothing else', { allowed: true }],
    ['denies without a time', { ...decision('a'), allowed: false, retryAfterMs: undefined }],
    ['has a text for a count', { ...decision('a'), remaining: '1' }],
    ['has a negative count', { ...decision('a'), limit: -1 }],
    ['has limits that are no list', { ...decision('a'), limits: 'all' }],
    ['has a limit that is null', { ...decision('a'), limits: [null] }],
    ['has a name that no header field can contain', { ...decision('a'), limits }],
    ['has a shadow limit that is not true', { ...decision('a'), limits: [{ ...limits[0], name: 'a', shadow: 'yes' }] }],
    ['names a limit that denied by a number', { ...decision('a'), allowed: false, 'violated-policies': [1] }],
  ])('is a failure if it %s', async (_, answer) => {
    const throttler = await given(() => answer)
    const failure = { message: expect.stringContaining('malformed answer') }
    expect(await throttler.check('a')).toMatchObject({ allowed: true, source: 'client', failure })
  })
})

describe.each(FAILURES)('if %s', (_, answer, failure) => {
  it('a check is allowed, denied or throws, as onFailure says, and onError is called', async () => {
    const allowing = await given(answer)
    expect(await allowing.check('a')).toMatchObject({ allowed: true, key: 'a', source: 'client', failure })
    expect(failures).toMatchObject([failure])
    const options = { url: service.url, timeoutMs: TIMEOUT_MS, onError: (err: unknown) => failures.push(err) }
    const denying = new Throttler({ ...options, onFailure: 'deny' })
    expect(await denying.check('a')).toMatchObject({ allowed: false, key: 'a', source: 'client', failure })
    await expect(new Throttler({ ...options, onFailure: 'throw' }).check('a')).rejects.toMatchObject(failure)
    expect(failures).toMatchObject([failure, failure, failure])
  })

  it('checks that share a call all fail', async () => {
    const throttler = await given(answer)
    expect(await Promise.all([throttler.check('a'), throttler.check('b')])).toMatchObject([
      { allowed: true, key: 'a', source: 'client', failure },
      { allowed: true, key: 'b', source: 'client', failure },
    ])
    expect(failures).toHaveLength(2)
  })
})

describe('a check', () => {
  it('of a batch fails alone if it alone cannot be decided', async () => {
    const undecided = { allowed: false, key: 'b', status: 400, code: 'tokens-exceed-capacity', title: 'T', detail: 'D' }
    const throttler = await given(() => ({ results: [decision('a'), undecided] }))
    expect(await throttler.checkMany([{ key: 'a' }, { key: 'b', tokens: 99 }])).toMatchObject([
      { allowed: true, source: 'redis' },
      { allowed: true, key: 'b', source: 'client', failure: { name: 'ServiceError', code: 'tokens-exceed-capacity' } },
    ])
    expect(failures).toMatchObject([{ message: 'T: D' }])
    expect(failures[0]).toBeInstanceOf(ServiceError)
  })

  it.each([null, undefined, {}])(
    'of a batch does what onFailure says if it is %j, and leaves the others',
    async check => {
      const throttler = await given((call, response) =>
        call.body.checks === undefined ? problem(response, 400, 'validation-failed') : allowAll(call),
      )
      const checks = [{ key: 'a' }, check, { key: 'a' }] as Check[]
      expect(await throttler.checkMany(checks)).toMatchObject([
        { source: 'redis' },
        { allowed: true, source: 'client', failure: { name: 'ServiceError', status: 400 } },
        { source: 'redis' },
      ])
    },
  )

  it('of a batch that cannot be decided makes the whole batch throw with onFailure "throw"', async () => {
    const undecided = { allowed: false, key: 'b', status: 503, code: 'store-unavailable', title: 'T', detail: 'D' }
    const throttler = await given(() => ({ results: [decision('a'), undecided] }), { onFailure: 'throw' })
    const checks = throttler.checkMany([{ key: 'a' }, { key: 'b' }])
    await expect(checks).rejects.toMatchObject({ code: 'store-unavailable', status: 503 })
  })

  it('of a batch fails if the answer has no result for it', async () => {
    const throttler = await given(() => ({ results: [decision('a')] }))
    const results = await throttler.checkMany([{ key: 'a' }, { key: 'b' }])
    expect(results.map(({ source }) => source)).toEqual(['client', 'client'])
  })

  it('fails if the service does not answer in time', async () => {
    const throttler = await given(() => undefined, { timeoutMs: 50 })
    const failure = { name: 'TimeoutError', message: 'no answer within 50 ms' }
    expect(await throttler.check('a')).toMatchObject({ allowed: true, failure })
  })

  it('fails if the service does not run', async () => {
    const throttler = await given(() => undefined)
    await service.stop()
    expect(await throttler.check('a')).toMatchObject({ allowed: true, failure: { name: 'TypeError' } })
    await service.start()
  })

  it.each([
    ['throws', () => fail()],
    ['rejects', async () => fail()],
  ])('is answered even if onError %s', async (_, onError) => {
    const throttler = await given(html, { onError })
    expect(await throttler.check('a')).toMatchObject({ allowed: true, source: 'client' })
  })

  it.each([
    ['a key', Symbol('a'), 1],
    ['a key', undefined, 1],
    ['tokens', 'a', 1n],
    ['tokens', 'a', null],
  ])('never throws, for any value of %s', async (_, key, tokens) => {
    const throttler = await given((_call, response) => problem(response, 400, 'validation-failed'))
    expect(await throttler.check(key as never, tokens as never)).toMatchObject({ allowed: true, source: 'client' })
  })

  it('sends the token', async () => {
    const throttler = await given(() => decision('a'), { token: 'a-token' })
    await throttler.check('a')
    expect(service.calls[0]?.authorization).toBe('Bearer a-token')
  })

  it('goes to the path of the configured URL', async () => {
    const throttler = await given(() => decision('a'))
    await throttler.check('a')
    for (const url of [`${service.url}/limits`, new URL(`${service.url}/limits/`)]) {
      await new Throttler({ url, onFailure: 'throw', timeoutMs: TIMEOUT_MS }).check('a')
    }
    expect(service.calls.map(({ path }) => path)).toEqual(['/check', '/limits/check', '/limits/check'])
  })
})

function fail(): never {
  throw new Error('the log is full')
}
