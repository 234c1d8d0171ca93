import { expect, it } from '@jest/globals'
import { eventually } from '../../support/eventually.ts'
import { runs } from '../../support/property-runs.ts'
import { expectProblem } from './expect-problem.ts'
import { givenApp } from './given-app.ts'
import { rawRequest } from './raw-http.ts'

const { numRuns: CHANGES } = runs(250, 1_000)

const given = givenApp()

it('of many concurrent changes with the same If-Match, exactly one is applied', async () => {
  const { client } = given.app
  const policy = (capacity: number) => ({ capacity, refillTokens: 1 })
  await client.put('k', policy(1_000_000))
  const headers = { 'content-type': 'application/json', 'if-match': '"1"', prefer: 'wait=60' }
  // `fetch` gives up a connection after ten seconds; so many concurrent requests may take longer.
  const put = (_: unknown, i: number) =>
    rawRequest(given.app.port, { method: 'PUT', path: '/config/k', headers, body: JSON.stringify(policy(i + 1)) })
  const answers = await Promise.all(Array.from({ length: CHANGES }, put))

  const winners = answers.filter(({ status }) => status === 200)
  expect(winners.map(({ headers }) => headers.get('etag'))).toEqual(['"2"'])
  for (const answer of answers) if (answer !== winners[0]) expectProblem(answer, 412, 'version-conflict')
  // A busy machine may not answer in time what is read after so many changes.
  await eventually(async () => expect((await client.get('/config/k')).body).toEqual(winners[0]?.body))
  await eventually(async () => expect((await client.get('/config/k/history')).body.events).toHaveLength(2))
})
