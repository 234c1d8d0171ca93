import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { runThrottler } from '../support/cli.ts'
import { Client } from '../support/client.ts'
import { describeWithRedis } from '../support/describe-with-redis.ts'
import { RedisServer } from '../support/redis-server.ts'
import { Service } from '../support/service.ts'

const LINES = process.env['TEST_LONG'] === undefined ? 3_000 : 100_000
const GONE = LINES / 100
const TIMEOUT_MS = 300_000

const keyOf = (i: number) => `user:${i}`
const fileOf = (indexes: readonly number[]) =>
  indexes.map(i => `${JSON.stringify({ key: keyOf(i), capacity: 10, refillTokens: 1 })}\n`).join('')
const ALL = Array.from({ length: LINES + GONE }, (_, i) => i)
/** A hundredth of the keys are gone, anywhere in the file. */
const isGone = (i: number) => i % 101 === 50

describeWithRedis(`an import of ${LINES} lines that prunes ${GONE} keys`, () => {
  let redis: RedisServer
  let service: Service
  let client: Client
  let directory: string
  let variables: Record<string, string>
  let file: string

  beforeAll(async () => {
    redis = await RedisServer.start()
    variables = { REDIS_URL: redis.url }
    service = await Service.start({ env: { ...variables, WEB_CONCURRENCY: '1' } })
    client = new Client(service.url)
    directory = await mkdtemp(join(tmpdir(), 'throttler-prune-'))
    file = join(directory, 'policies.ndjson')
  })
  afterAll(async () => {
    await service.stop()
    await redis.stop()
    await rm(directory, { recursive: true, force: true })
  })

  const importOf = (...options: readonly string[]) => runThrottler(['import', file, ...options], variables)
  const imported = async (...options: readonly string[]) => {
    const { code, output } = await importOf(...options)
    return { code, body: JSON.parse(output) }
  }
  const dryRunOverHttp = async (text: string) =>
    (
      await client.request('POST', '/config/import?dryRun=true&prune=user:', text, {
        'content-type': 'application/x-ndjson',
      })
    ).body

  it(
    'is foreseen by a dry run that names them, deletes them, and changes nothing the second time',
    async () => {
      await writeFile(file, fileOf(ALL))
      const all = { created: LINES + GONE, changed: 0, unchanged: 0, deleted: 0 }
      expect(await imported()).toMatchObject({ code: 0, body: all })
      const kept = fileOf(ALL.filter(i => !isGone(i)))
      await writeFile(file, kept)

      const counts = { created: 0, changed: 0, unchanged: LINES, deleted: GONE }
      const { code, output } = await importOf('--prune', 'user:', '--dry-run')
      const found = JSON.parse(output)
      expect([code, found]).toEqual([1, expect.objectContaining(counts)])
      expect(found).not.toHaveProperty('truncated')
      const named = found.differences.map(({ key }: { key: string }) => key)
      expect(named.toSorted()).toEqual(ALL.filter(isGone).map(keyOf).toSorted())
      expect(await whileChecking(() => dryRunOverHttp(kept))).toEqual(found)

      expect(await imported('--prune', 'user:')).toMatchObject({ code: 0, body: counts })
      const again = { code: 0, body: { ...counts, deleted: 0 } }
      expect(await imported('--prune', 'user:')).toMatchObject(again)
      expect(await importOf('--prune', 'user:', '--dry-run')).toMatchObject({ code: 0 })
      const left = (await client.get('/config/export')).text.trimEnd().split('\n')
      expect(left.map(line => JSON.parse(line).key).toSorted()).toEqual(
        ALL.filter(i => !isGone(i))
          .map(keyOf)
          .toSorted(),
      )
      expect(await runThrottler(['verify'], variables)).toMatchObject({ code: 0 })
    },
    TIMEOUT_MS,
  )

  /** Checks one after another meanwhile, and prints their latency as a figure. */
  async function whileChecking<T>(work: () => Promise<T>): Promise<T> {
    const idle = await latencies(500)
    let isOver = false
    const startMs = performance.now()
    const working = work().finally(() => {
      isOver = true
    })
    const busy = await latencies(Number.POSITIVE_INFINITY, () => isOver)
    const result = await working
    const elapsedMs = Math.round(performance.now() - startMs)
    if (process.env['TEST_FIGURES'] !== undefined) {
      process.stdout.write(
        `a dry run over HTTP took ${elapsedMs} ms; checks in ms: ${shown(idle)} before, ${shown(busy)} meanwhile\n`,
      )
    }
    return result
  }

  async function latencies(count: number, isOver = () => false): Promise<number[]> {
    const found: number[] = []
    while (found.length < count && !isOver()) {
      const startMs = performance.now()
      expect((await client.check(`other:${found.length % 100}`, 0)).status).toBe(200)
      found.push(performance.now() - startMs)
    }
    return found.toSorted((a, b) => a - b)
  }

  function shown(sorted: readonly number[]): string {
    const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))]?.toFixed(1)
    return `p50 ${at(0.5)}, p99 ${at(0.99)}, max ${at(1)}`
  }
})
