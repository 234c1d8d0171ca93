import { describe, expect, it } from '@jest/globals'
import { expectProblem } from './expect-problem.ts'
import { givenApp } from './given-app.ts'

let isOverloaded = false
const given = givenApp({ isOverloaded: () => isOverloaded })

describe('an overloaded process', () => {
  it.each([
    ['POST', '/check', { key: 'a' }],
    ['POST', '/check/batch', { checks: [{ key: 'a' }] }],
    ['POST', '/check/all', { checks: [{ key: 'a' }] }],
    ['POST', '/reservations', { key: 'a' }],
    ['GET', '/forward-auth?key=a', undefined],
    ['PUT', '/config/a', { capacity: 1, refillTokens: 1 }],
  ])('refuses %s %s at once', async (method, path, body) => {
    isOverloaded = true
    const answer = await given.app.client.request(method, path, body)
    isOverloaded = false
    expectProblem(answer, 503, 'overloaded')
    expect(answer.headers.get('retry-after')).toBe('1')
    expect(answer.body.detail).toContain('EVENT_LOOP_LAG_MS')
  })

  it.each(['/health', '/ready', '/metrics'])('still answers %s', async path => {
    isOverloaded = true
    const { status } = await given.app.client.get(path)
    isOverloaded = false
    expect(status).toBe(200)
  })

  it('decides again once it has recovered, and has spent nothing before', async () => {
    expect((await given.app.client.check('a', 0)).body).toMatchObject({ allowed: true, remaining: 100 })
  })
})
