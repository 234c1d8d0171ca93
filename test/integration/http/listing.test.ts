import { beforeAll, describe, expect, it } from '@jest/globals'
import { expectFields, expectProblem } from './expect-problem.ts'
import { givenApp } from './given-app.ts'
import { rawRequest } from './raw-http.ts'

const given = givenApp()
const client = () => given.app.client

/** In byte order, which differs from that of UTF-16: 😀 comes after ｡. */
const KEYS = [
  '*',
  ...Array.from({ length: 20 }, (_, i) => `user:${String(i).padStart(2, '0')}`),
  'user:*',
  'user;',
  'z',
  'ü',
  'ü*',
  'üa',
  '日本',
  '日本/*',
  '｡',
  '😀',
  '😀a',
].toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))

beforeAll(async () => {
  const answers = await Promise.all(KEYS.map(key => client().put(key, { capacity: 1, refillTokens: 1 })))
  expect(answers.map(({ status }) => status)).toEqual(KEYS.map(() => 201))
  await client().put('gone', { capacity: 1, refillTokens: 1 })
  await client().delete('gone')
})

async function pages(query: string): Promise<{ keys: string[]; sizes: number[] }> {
  const keys: string[] = []
  const sizes: number[] = []
  let cursor: string | undefined
  do {
    const from = cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`
    const { body } = await client().get(`/config?${query}${from}`)
    keys.push(...body.items.map(({ key }: { key: string }) => key))
    sizes.push(body.items.length)
    cursor = body.nextCursor
  } while (cursor !== undefined)
  return { keys, sizes }
}

describe('GET /config', () => {
  it('lists every policy, in byte order of the keys', async () => {
    const { body } = await client().get('/config')
    expect(body.items.map(({ key }: { key: string }) => key)).toEqual(KEYS)
    expect(body).not.toHaveProperty('nextCursor')
    expect(body.items[0]).toEqual((await client().get('/config/*')).body)
  })

  it.each([1, 2, 7, KEYS.length - 1, KEYS.length, 1000])('lists each exactly once in pages of %i', async limit => {
    const { keys, sizes } = await pages(`limit=${limit}`)
    expect(keys).toEqual(KEYS)
    expect(sizes).toHaveLength(Math.ceil(KEYS.length / limit))
    expect(Math.max(...sizes)).toBeLessThanOrEqual(limit)
  })

  it.each(['user:', 'user', 'u', 'ü', '日本', '日本/', '*', '😀', 'nobody', ''])(
    'lists those with the prefix %j',
    async prefix => {
      const { keys } = await pages(`limit=3&prefix=${encodeURIComponent(prefix)}`)
      expect(keys).toEqual(KEYS.filter(key => key.startsWith(prefix)))
    },
  )

  it('continues after a key that was deleted meanwhile', async () => {
    const { body } = await client().get('/config?limit=3')
    const [, , last] = body.items
    await client().delete(last.key)
    const next = await client().get(`/config?limit=2&cursor=${body.nextCursor}`)
    expect(next.body.items.map(({ key }: { key: string }) => key)).toEqual(KEYS.slice(3, 5))
    await client().put(last.key, { capacity: 1, refillTokens: 1 })
  })

  it.each([
    'made-up',
    '',
    'AAAA',
    '%ff',
    '....',
    Buffer.from('a*b').toString('base64url'),
    Buffer.from('x'.repeat(257)).toString('base64url'),
    `${Buffer.from('user:01').toString('base64url')}=`,
  ])('refuses the cursor %j, which it never returned', async cursor => {
    const answer = await client().get(`/config?cursor=${cursor}`)
    expectProblem(answer, 400, 'cursor-invalid')
  })

  it.each([
    ['prefix=%ff', ['/query/prefix']],
    ['prefix=%E6%97', ['/query/prefix']],
    ['prefix=a?%ff', ['/query/prefix']],
    ['limit=%&prefix=100%', ['/query/limit', '/query/prefix']],
    ['%ff=1', ['/query']],
  ])('refuses the query %s, which is not percent-encoded UTF-8', async (query, paths) => {
    const answer = await rawRequest(given.app.port, { path: `/config?${query}` })
    expectFields(answer, 'validation-failed', paths)
    expect(answer.body.detail).toContain('percent-encoded UTF-8')
  })

  it('refuses the cursor of a list with another prefix', async () => {
    const { body } = await client().get('/config?limit=1&prefix=')
    expectProblem(await client().get(`/config?prefix=user:&cursor=${body.nextCursor}`), 400, 'cursor-invalid')
  })
})
