import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from '@jest/globals'
import { runThrottler } from '../support/cli.ts'
import { Client } from '../support/client.ts'
import { describeLong } from '../support/describe-long.ts'
import { eventually } from '../support/eventually.ts'
import { RedisServer } from '../support/redis-server.ts'
import { Service } from '../support/service.ts'
import { StoreProxy } from '../support/store-proxy.ts'

const TRIES = 200
const KEYS = Array.from({ length: 100 }, (_, i) => `key:${i}`)
/** Not in the file, so that the import prunes them. */
const PRUNED = Array.from({ length: 50 }, (_, i) => `key:pruned:${i}`)
const ALL = [...KEYS, ...PRUNED]
/** The latency of each request and of each reply. */
const LATENCY_MS = 4
/** Long enough for a resumed worker to send its pending step. */
const AFTERMATH_MS = 150
/** Time limit for another worker to take over and end the import. */
const APPLIED_WITHIN_MS = 15_000
const TIMEOUT_MS = 3_600_000

describeLong('an import whose worker is suspended at a random moment and resumed later', () => {
  let redis: RedisServer
  let link: StoreProxy
  let api: Service
  let client: Client
  let stopped: Service
  let other: Service | undefined
  let importMs: number

  beforeEach(async () => {
    redis = await RedisServer.start()
    link = await StoreProxy.start(redis.url)
    link.latencyMs = LATENCY_MS
    api = await Service.start({ kind: 'api', env: { REDIS_URL: redis.url, WEB_CONCURRENCY: '1', LOG_LEVEL: 'info' } })
    client = new Client(api.url)
    stopped = await startWorker()
    await startImport(1).then(applied)
    await changeAll(1)
    const startMs = performance.now()
    await startImport(2).then(applied)
    importMs = performance.now() - startMs
  }, 30_000)
  afterEach(async () => {
    for (const service of [stopped, other, api]) await service?.stop('SIGKILL')
    await link.stop()
    await redis.stop()
  }, 30_000)

  const policy = (capacity: number) => ({ capacity, refillTokens: 1 })

  const startWorker = () => Service.start({ kind: 'worker', env: { REDIS_URL: link.url } })

  const applied = (commandId: string) =>
    eventually(async () => {
      expect((await client.get(`/commands/${commandId}`)).body).toMatchObject({ status: 'applied' })
    }, APPLIED_WITHIN_MS)

  async function startImport(capacity: number): Promise<string> {
    const file = KEYS.map(key => `${JSON.stringify({ key, ...policy(capacity) })}\n`).join('')
    const headers = { 'content-type': 'application/x-ndjson' }
    return (await client.request('POST', '/config/import?prune=key:', file, headers)).body.commandId
  }

  /** An acknowledged change of every key. */
  async function changeAll(capacity: number): Promise<void> {
    const changes = await Promise.all(ALL.map(key => client.put(key, policy(capacity))))
    expect(changes.filter(({ status }) => status !== 200 && status !== 201)).toEqual([])
  }

  /** Resolves with the number of acknowledged changes that were undone. */
  async function tryOnce(number: number): Promise<number> {
    const commandId = await startImport(2 * number + 3)
    await sleep(Math.random() * importMs)
    stopped.process.kill('SIGSTOP')
    other = await startWorker()
    await applied(commandId)
    await changeAll(2 * number + 4)
    stopped.process.kill('SIGCONT')
    await sleep(AFTERMATH_MS)
    await other.stop('SIGKILL')
    const { items } = (await client.get('/config?limit=1000')).body
    const isKept = ({ limits }: { limits: [{ capacity: number }] }) => limits[0].capacity === 2 * number + 4
    return ALL.length - items.filter(isKept).length
  }

  it(
    'undoes no acknowledged change',
    async () => {
      const undone: number[] = []
      for (let number = 0; number < TRIES; number++) undone.push(await tryOnce(number))
      if (process.env['TEST_FIGURES'] !== undefined) {
        const spoiled = undone.filter(count => count > 0)
        process.stdout.write(`${spoiled.length} of ${TRIES} tries undid changes: ${spoiled.join(' ')}\n`)
      }
      expect(undone.filter(count => count > 0)).toEqual([])
      expect(await runThrottler(['verify'], { REDIS_URL: redis.url })).toMatchObject({ code: 0 })
    },
    TIMEOUT_MS,
  )
})
