import { afterEach, describe, expect, it, jest } from '@jest/globals'
import { readPolicy } from '../../../console/api/policies.ts'
import { readByKey } from '../../../console/api/read-by-key.ts'

const KEY = 'tmp/../a'

afterEach(() => void jest.restoreAllMocks())

/** Makes `fetch` answer like this. Returns it. */
function givenAnswer(status: number, body: object) {
  return jest.spyOn(globalThis, 'fetch').mockImplementation(async () => Response.json(body, { status }))
}

describe('reading what has a key in its path', () => {
  it('returns what the service answers about the key', async () => {
    const fetch = givenAnswer(200, { key: KEY, events: [] })
    const { body } = await readByKey({ collection: 'config', key: KEY, resource: '/history' })
    expect(body).toEqual({ key: KEY, events: [] })
    expect(fetch).toHaveBeenCalledWith('config/tmp%2F..%2Fa/history', expect.anything())
  })

  it.each([
    ['what another key has', 200, { key: 'a' }],
    ['another resource', 200, {}],
    ['that another key has nothing', 404, { key: 'a', code: 'policy-not-found', detail: 'd' }],
  ])('fails if a proxy has changed the path, and the answer is %s', async (_, status, body) => {
    givenAnswer(status, body)
    const failure = { code: 'path-changed', message: expect.stringContaining(`not about the key ${KEY}`) }
    await expect(readPolicy(KEY)).rejects.toMatchObject(failure)
    await expect(readByKey({ collection: 'buckets', key: KEY })).rejects.toMatchObject(failure)
  })

  it('finds that a key has no policy', async () => {
    givenAnswer(404, { key: KEY, code: 'policy-not-found', detail: 'd' })
    expect(await readPolicy(KEY)).toEqual({ policy: undefined, etag: undefined })
  })
})
