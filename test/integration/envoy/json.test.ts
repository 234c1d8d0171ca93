import { describe, expect, it } from '@jest/globals'
import { givenApp } from '../http/given-app.ts'

const CHECKER = 'secret-of-a-checker'
const READER = 'secret-of-a-reader'
const ADMIN = 'secret-of-an-admin'
const variables = { ADMIN_TOKENS: `ann:${ADMIN},eve:${READER}:read`, CHECK_TOKENS: `gate:${CHECKER}` }
const given = givenApp({ variables })

async function post(body: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(`${given.app.url}/json`, {
    method: 'POST',
    headers: { authorization: `Bearer ${CHECKER}`, ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
  return { status: response.status, type: response.headers.get('content-type'), body: await response.json() }
}

const put = (key: string, policy: object) => given.app.as({ authorization: `Bearer ${ADMIN}` }).put(key, policy)
const entries = [{ key: 'user', value: 'x' }]

describe('POST /json', () => {
  it('answers 200, and 429 with the same kind of body, in the JSON of protobuf', async () => {
    await put('rls;json;user', { limits: [{ name: 'daily', kind: 'quota', capacity: 1, period: 'day' }] })
    const allowed = await post({ domain: 'json', descriptors: [{ entries }] })
    expect(allowed).toEqual({
      status: 200,
      type: 'application/json; charset=utf-8',
      body: {
        overallCode: 'OK',
        statuses: [
          {
            code: 'OK',
            currentLimit: { name: 'daily', requestsPerUnit: 1, unit: 'DAY' },
            durationUntilReset: expect.stringMatching(/^\d+(\.\d{3})?s$/),
          },
        ],
        responseHeadersToAdd: [
          { key: 'ratelimit-policy', value: '"daily";q=1;w=86400' },
          { key: 'ratelimit', value: expect.stringMatching(/^"daily";r=0;t=\d+$/) },
        ],
      },
    })
    const denied = await post({ domain: 'json', descriptors: [{ entries }] })
    expect(denied).toMatchObject({
      status: 429,
      body: { overallCode: 'OVER_LIMIT', statuses: [{ code: 'OVER_LIMIT' }] },
    })
  })

  it('leaves out what is zero', async () => {
    expect((await post({ domain: 'json', descriptors: [{ entries: [{ key: 'none' }] }] })).body).toEqual({
      overallCode: 'OK',
      statuses: [{ code: 'OK' }],
    })
  })

  it.each([
    ['camelCase', { hitsAddend: 2, descriptors: [{ entries, limit: { requestsPerUnit: 7, unit: 'HOUR' } }] }],
    ['snake_case', { hits_addend: 2, descriptors: [{ entries, limit: { requests_per_unit: 7, unit: 'HOUR' } }] }],
    ['numbers as text', { hitsAddend: '2', descriptors: [{ entries, limit: { requestsPerUnit: '7', unit: 3 } }] }],
    [
      'null for absent',
      { descriptors: [{ entries, limit: { requestsPerUnit: 7, unit: 3 }, hitsAddend: '2', isNegativeHits: null }] },
    ],
  ])('reads %s', async (name, request) => {
    const { body } = await post({ domain: `json ${name}`, ...request })
    expect(body).toMatchObject({
      statuses: [{ currentLimit: { requestsPerUnit: 7, unit: 'HOUR' }, limitRemaining: 5 }],
    })
  })

  it.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'application/json',
    '',
    'x',
    'a b c',
    'text/plain; charset=latin1',
  ])('takes the media type %s', async type => {
    expect(await post({ domain: 'json', descriptors: [{}] }, { 'content-type': type })).toMatchObject({ status: 200 })
  })

  it.each([
    ['{', 'body-malformed', /not JSON/],
    ['', 'body-malformed', /empty/],
    [[], 'validation-failed', /must be an object/],
    [{ descriptors: [{}] }, 'validation-failed', /^domain: must not be empty/],
    [{ domain: 'a' }, 'validation-failed', /^descriptors: must not be empty/],
    [{ domain: 'a', descriptors: {} }, 'validation-failed', /^descriptors: must be an array/],
    [
      { domain: 'a', descriptors: [{ entries: [{ key: 1 }] }] },
      'validation-failed',
      /^descriptors\[0\].entries\[0\].key: /,
    ],
    [{ domain: '\ud800', descriptors: [{}] }, 'validation-failed', /^domain: must be a string of valid Unicode/],
    [
      { domain: 'a', descriptors: [{}], hitsAddend: -1 },
      'validation-failed',
      /^hitsAddend: must be an integer between 0/,
    ],
    [{ domain: 'a', descriptors: [{ limit: { unit: 'EON' } }] }, 'validation-failed', /limit.unit: .*was "EON"/],
    [
      { domain: 'a', descriptors: [{ limit: { unit: { toString: 1, valueOf: 1 } } }] },
      'validation-failed',
      /limit.unit: .*was an object/,
    ],
    [
      { domain: 'a', descriptors: [{ limit: {} }] },
      'validation-failed',
      /limit.unit: is missing; must be one of SECOND, .*[A-Z]$/,
    ],
    [{ domain: 'a', descriptors: [{}], other: 1 }, 'validation-failed', /^other: is not a member/],
    [
      { domain: 'a', descriptors: [{}], hitsAddend: 1, hits_addend: 1 },
      'validation-failed',
      /^hits_addend: is given twice/,
    ],
    [{ domain: 'a', descriptors: Array(1_001).fill({}) }, 'validation-failed', /^descriptors: must be at most 1000/],
  ])('refuses %j', async (body, code, detail) => {
    expect(await post(body)).toMatchObject({ status: 400, body: { code, detail: expect.stringMatching(detail) } })
  })

  it('needs a token that may check', async () => {
    const request = { domain: 'a', descriptors: [{}] }
    expect(await post(request, { authorization: 'Bearer wrong' })).toMatchObject({ status: 401 })
    expect(await post(request, { authorization: `Bearer ${READER}` })).toMatchObject({ status: 403 })
    expect(await post(request, { authorization: `Bearer ${ADMIN}` })).toMatchObject({ status: 200 })
  })
})
