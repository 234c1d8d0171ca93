import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { TestApp } from '../../support/app.ts'
import type { Client } from '../../support/client.ts'
import { eventually } from '../../support/eventually.ts'
import { givenApp } from './given-app.ts'

const given = givenApp()
const KEYS = Array.from({ length: 1_200 }, (_, i) => `user:${i}`)
const lines = (keys: readonly string[]) =>
  keys.map(key => `${JSON.stringify({ key, capacity: 5, refillTokens: 1 })}\n`).join('')
const STORED = 'user:*'

let redis: Redis
beforeEach(() => {
  redis = new Redis(given.store.url)
})
afterEach(() => redis.disconnect())

const staged = () => redis.keys('{lossy:config-*}:staged:*')
const namesOf = (lists: readonly string[]) => lists.map(list => list.replace(':staged:', ':staged-names:'))

/** What a replica may lack of the upload so far when it becomes the master, or what another program may delete. */
const LOSSES = {
  'everything so far': async lists => redis.del(...lists, ...namesOf(lists)),
  'the last chunks': async lists => Promise.all(lists.map(list => redis.rpop(list))),
  'the last names': async lists => Promise.all(namesOf(lists).map(names => redis.spop(names))),
} satisfies Record<string, (lists: string[]) => Promise<unknown>>

/** The first half of a file; the second one follows once the store has lost some of the first. */
async function* losing(loss: keyof typeof LOSSES) {
  yield Buffer.from(lines(KEYS.slice(0, 600)))
  await eventually(async () => expect(await staged()).toHaveLength(4))
  await LOSSES[loss](await staged())
  yield Buffer.from(lines(KEYS.slice(600)))
}

async function keysIn(client: Client): Promise<string[]> {
  return (await client.get('/config')).body.items.map(({ key }: { key: string }) => key)
}

async function withApp(options: { worker: boolean }, use: (app: TestApp) => Promise<void>): Promise<void> {
  const variables = { KEY_PREFIX: 'lossy', LOG_LEVEL: 'silent' }
  const app = await TestApp.start(given.store, { ...options, variables })
  try {
    await use(app)
  } finally {
    await app.close()
  }
}

describe('an import whose lines the store loses', () => {
  it('during the upload is refused with 503, and changes nothing', async () => {
    await withApp({ worker: true }, async ({ client, port }) => {
      await client.put(STORED, { capacity: 1, refillTokens: 1 })
      const cases = [
        ['', 'everything so far'],
        ['', 'the last chunks'],
        ['?prune=*', 'everything so far'],
        ['?prune=*', 'the last chunks'],
        ['?prune=*', 'the last names'],
      ] as const
      for (const [query, loss] of cases) {
        const response = await fetch(`http://127.0.0.1:${port}/config/import${query}`, {
          method: 'POST',
          headers: { 'content-type': 'application/x-ndjson', prefer: 'wait=60' },
          body: ReadableStream.from(losing(loss)),
          duplex: 'half',
        })
        expect([query, loss, response.status, await response.json()]).toMatchObject([
          query,
          loss,
          503,
          {
            code: 'config-store-unavailable',
            detail: 'the policy store lost lines of the import during the upload, so nothing was imported; try again',
          },
        ])
        expect(await staged()).toEqual([])
        expect(await keysIn(client)).toEqual([STORED])
      }
    })
  })

  it('after the upload fails before its first change', async () => {
    await withApp({ worker: false }, async app => {
      const before = await keysIn(app.client)
      const { body } = await app.client.request('POST', '/config/import?prune=*', lines(KEYS), {
        'content-type': 'application/x-ndjson',
      })
      const lists = await staged()
      expect(lists).toHaveLength(4)
      for (const list of lists) await redis.rpop(list)
      await app.startWorker()
      await eventually(async () =>
        expect((await app.client.get(`/commands/${body.commandId}`)).body).toMatchObject({
          status: 'failed',
          error: {
            code: 'internal',
            detail: expect.stringContaining('the policy store no longer has all lines of the import'),
          },
        }),
      )
      expect(await keysIn(app.client)).toEqual(before)
    })
  })
})
