import { expect, it } from '@jest/globals'
import { expectProblem } from './expect-problem.ts'
import { givenApp } from './given-app.ts'

const given = givenApp()

it('of a thousand changes at once with the same If-Match exactly one wins', async () => {
  const { client } = given.app
  const policy = (capacity: number) => ({ capacity, refillTokens: 1 })
  await client.put('k', policy(1_000_000))
  const put = (_: unknown, i: number) => client.put('k', policy(i + 1), { 'if-match': '"1"', prefer: 'wait=30' })
  const answers = await Promise.all(Array.from({ length: 1_000 }, put))

  const winners = answers.filter(({ status }) => status === 200)
  expect(winners.map(({ headers }) => headers.get('etag'))).toEqual(['"2"'])
  for (const answer of answers) if (answer !== winners[0]) expectProblem(answer, 412, 'version-conflict')
  expect((await client.get('/config/k')).body).toEqual(winners[0]?.body)
  expect((await client.get('/config/k/history')).body.events).toHaveLength(2)
})
