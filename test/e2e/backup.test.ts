import { spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { Client } from '../support/client.ts'
import { describeWithRedis } from '../support/describe-with-redis.ts'
import { blocksUnder } from '../support/documents.ts'
import { eventually } from '../support/eventually.ts'
import { samplesIn } from '../support/prometheus.ts'
import { RedisServer } from '../support/redis-server.ts'
import { Service } from '../support/service.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** The bound of docs/consistency.md, plus time for a busy machine. */
const OBEYED_MS = 2_000 + 3_000

const policy = (capacity: number) => ({ capacity, refillTokens: 1, mode: 'off' })

/** The commands under a heading of docs/operations.md: first those of the backup, then those of the restore. */
function documented(heading: string): { backup: string[]; restore: string[] } {
  const [backup = '', restore = '', ...more] = blocksUnder('docs/operations.md', heading, 'sh')
  expect(more).toEqual([])
  return { backup: backup.trim().split('\n'), restore: restore.trim().split('\n') }
}

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'throttler-backup-'))
})
afterEach(() => rm(folder, { recursive: true }))

function shell(command: string): string {
  const { status, stdout, stderr } = spawnSync('sh', ['-c', command], { cwd: folder, encoding: 'utf8' })
  expect([command, status, stderr]).toEqual([command, 0, expect.anything()])
  return stdout
}

/** Policies of every kind, with versions and a history. */
async function configure(client: Client): Promise<void> {
  for (const capacity of [1, 2, 3])
    await client.put('user:*', policy(capacity), { 'x-change-reason': `to ${capacity}` })
  await client.put('somebody', policy(10))
  await client.put('gone', policy(1))
  await client.delete('gone')
}

/** Everything that can be read about them. */
async function told(client: Client): Promise<unknown> {
  const paths = ['/config', '/config/user%3A*?version=2', '/config/user%3A*/history', '/config/gone/history']
  return Promise.all(paths.map(async path => (await client.get(path)).body))
}

/** The policies, versions and limits that checks obey. */
async function obeyed(client: Client): Promise<unknown> {
  const keys = ['user:1', 'somebody', 'gone', 'late']
  const answers = await Promise.all(keys.map(key => client.check(key, 0)))
  return answers.map(({ body: { policy, policyVersion, limit } }) => [policy, policyVersion, limit])
}

const CONFIGURED = [
  ['user:*', 3, 3],
  ['somebody', 1, 10],
  ['default', 0, 100],
  ['default', 0, 100],
]
const NOTHING = CONFIGURED.map(() => ['default', 0, 100])

describeWithRedis('the policies in Redis', () => {
  let buckets: RedisServer
  let redis: RedisServer
  let services: Service[]
  let client: Client

  beforeEach(async () => {
    buckets = await RedisServer.start()
    redis = await RedisServer.start('--appendonly', 'yes', '--appendfsync', 'always')
    const env = { REDIS_URL: buckets.url, CONFIG_REDIS_URL: redis.url, WEB_CONCURRENCY: '1' }
    services = await Promise.all([Service.start({ kind: 'api', env }), Service.start({ kind: 'worker', env })])
    client = new Client(services[0]?.url ?? '')
    await configure(client)
  })
  afterEach(async () => {
    await Promise.all(services.map(service => service.stop()))
    await Promise.all([buckets.stop(), redis.stop()])
  })

  /** Runs a documented command on this machine. The servers of this test stand in for the containers. */
  async function run(command: string): Promise<void> {
    if (command === 'docker compose stop redis-config') return redis.kill('SIGTERM')
    if (command === 'docker compose start redis-config') return redis.restart()
    const here = command
      .replace('docker compose exec -T redis-config', `env -C ${redis.directory}`)
      .replace('redis-cli', `redis-cli -p ${redis.port}`)
      .replace(/docker compose run --rm -T --entrypoint (\S+) redis-config/, `env -C ${redis.directory} $1`)
      .replace('docker compose exec -T api', `env -C ${ROOT} REDIS_URL=${buckets.url} CONFIG_REDIS_URL=${redis.url}`)
    expect(here).not.toContain('docker')
    shell(here)
  }

  const obeysOf = (expected: unknown) =>
    eventually(async () => expect(await obeyed(client)).toEqual(expected), OBEYED_MS)

  async function empty(): Promise<void> {
    const admin = new Redis(redis.url)
    await admin.flushall()
    admin.disconnect()
  }

  /** Kills Redis, deletes its data on disk, and starts it again. */
  async function lose(): Promise<void> {
    await redis.kill()
    await rm(join(redis.directory, 'appendonlydir'), { recursive: true })
    await redis.restart()
  }

  it.each([
    ['was emptied', empty],
    ['lost its directory', lose],
  ])('are restored completely by the documented backup after Redis %s, and are obeyed', async (_, damage) => {
    const { backup, restore } = documented('### Everything, from Redis')
    const before = await told(client)
    for (const command of backup) await run(command)
    await client.put('late', policy(5))
    await damage()
    await obeysOf(NOTHING)

    for (const command of restore) await run(command)
    await obeysOf(CONFIGURED)
    expect(await told(client)).toEqual(before)
    expect(services[0]?.output.join('\n')).toContain('the log was replaced: reloading')
    expect(samplesIn((await client.get('/metrics')).text).get('throttler_config_log_resets_total')).toBeGreaterThan(0)
    expect((await client.put('user:*', policy(4))).body).toMatchObject({ version: 4 })
    expect((await client.put('gone', policy(1))).body).toMatchObject({ version: 3 })

    await redis.kill()
    await redis.restart()
    await eventually(
      async () => expect((await client.get('/config/gone')).body).toMatchObject({ version: 3 }),
      OBEYED_MS,
    )
  })

  it('are still enforced while a backup is restored, and changes are refused', async () => {
    const { backup, restore } = documented('### Everything, from Redis')
    for (const command of backup) await run(command)
    const [stop = '', ...rest] = restore
    await run(stop)
    expect(await obeyed(client)).toEqual(CONFIGURED)
    expect((await client.put('late', policy(5))).body).toMatchObject({ code: 'config-store-unavailable' })
    for (const command of rest) await run(command)
    await eventually(async () => expect((await client.put('late', policy(5))).status).toBe(201), OBEYED_MS)
  })

  it('are restored as version 1 by the documented export, and are obeyed', async () => {
    const { backup, restore } = documented('### The policies, as text')
    for (const command of backup) await run(command)
    const exported = (await client.get('/config/export')).text
    await empty()
    await obeysOf(NOTHING)
    for (const command of restore) await run(command)
    await obeysOf(CONFIGURED.map(([name, version, limit]) => [name, Math.min(1, Number(version)), limit]))
    expect((await client.get('/config/export')).text).toBe(exported)
    const { events } = (await client.get('/config/somebody/history')).body
    expect(events).toEqual([expect.objectContaining({ type: 'imported', reason: 'restored' })])
  })
})

describe('the policies in the embedded store', () => {
  it('are restored completely by the documented backup after their directory is lost, and are obeyed', async () => {
    const { backup, restore } = documented('### Everything, without Redis')
    const env = { DATA_DIR: join(folder, 'data'), WEB_CONCURRENCY: '1' }
    const first = await Service.start({ env })
    let client = new Client(first.url)
    await configure(client)
    const before = await told(client)
    for (const command of backup) shell(command)
    await client.put('late', policy(5))
    await first.stop()
    await rm(env.DATA_DIR, { recursive: true })

    for (const command of restore) shell(command)
    const second = await Service.start({ env })
    client = new Client(second.url)
    await eventually(async () => expect(await obeyed(client)).toEqual(CONFIGURED))
    expect(await told(client)).toEqual(before)
    expect((await client.put('user:*', policy(4))).body).toMatchObject({ version: 4 })
    await second.stop()
  })
})
