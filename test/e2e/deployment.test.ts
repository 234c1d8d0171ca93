import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { parse } from 'yaml'
import { RedisBucketStore } from '../../src/redis/buckets/redis-bucket-store.ts'
import { BucketKeys } from '../../src/redis/keys.ts'
import { readEnv } from '../../src/settings/env.ts'
import { Client } from '../support/client.ts'
import { type ComposeProject, type ComposeService, composeProject, describeWithCompose } from '../support/compose.ts'
import { describeLong } from '../support/describe-long.ts'
import { eventually } from '../support/eventually.ts'
import { baseImages, buildImage, copiedFromContext, letThrough } from '../support/image.ts'
import { policyOf, quotaOf } from '../support/policies.ts'
import { describeWithPrometheus, labelsThatRulesSelect } from '../support/prometheus.ts'
import { RedisServer } from '../support/redis-server.ts'
import { Service } from '../support/service.ts'
import { startStore } from '../support/store.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** Runs a program, which must report no error, and returns its output. */
function run(program: string, ...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd: ROOT, encoding: 'utf8' })
  expect([status, stdout, stderr]).toEqual([0, expect.any(String), expect.not.stringMatching(/error/i)])
  return stdout
}

/** A complete version, so that the release that was tested is the one that runs. */
const PINNED = /:v?\d+\.\d+\.\d+(-|$)/

describeWithCompose('docker-compose.yml', () => {
  let services: ComposeProject['services']
  let networks: ComposeProject['networks']
  const serviceOf = (name: string) => services[name] as ComposeService

  beforeAll(() => {
    ;({ services, networks } = composeProject())
  })

  it('exposes nothing beyond loopback', () => {
    const addresses = Object.values(services).flatMap(({ listensOn }) => listensOn)
    expect(new Set(addresses)).toEqual(new Set(['127.0.0.1']))
  })

  it('gives every service a health check, resource limits and a read-only file system', () => {
    for (const [name, { settings }] of Object.entries(services)) {
      expect([name, settings]).toEqual([
        name,
        expect.objectContaining({
          healthcheck: expect.anything(),
          mem_limit: expect.anything(),
          cpus: expect.anything(),
          pids_limit: expect.anything(),
          logging: { driver: 'json-file', options: { 'max-size': '20m', 'max-file': '5' } },
          read_only: true,
          cap_drop: ['ALL'],
          security_opt: ['no-new-privileges:true'],
        }),
      ])
    }
  })

  it('pins every image that it does not build', () => {
    for (const { image, build } of Object.values(services)) if (build === undefined) expect(image).toMatch(PINNED)
  })

  it('lets only the service reach Redis, and Redis reach nothing', () => {
    const inside = Object.entries(services).filter(([, { networks }]) => networks.includes('stores'))
    expect(inside.map(([name]) => name).toSorted()).toEqual(['api', 'redis-buckets', 'redis-config', 'worker'])
    expect(networks['stores']).toMatchObject({ internal: true })
    for (const name of ['redis-buckets', 'redis-config']) expect(serviceOf(name).networks).toEqual(['stores'])
  })

  it.each([
    ['redis-buckets', 2],
    ['redis-config', 2],
  ])('%s may use more memory than its data by a factor of %d', (name, times) => {
    const { command, memoryBytes } = serviceOf(name)
    const [, size = '', unit = ''] = /^(\d+)(mb|gb)$/.exec(command[command.indexOf('--maxmemory') + 1] ?? '') ?? []
    const maxmemory = Number(size) * (unit === 'gb' ? 2 ** 30 : 2 ** 20)
    expect(maxmemory).toBeGreaterThan(0)
    expect(memoryBytes).toBeGreaterThanOrEqual(maxmemory * times)
  })

  it('the front processes and their primary may use the memory that they take under attack', () => {
    const { environment, memoryBytes } = serviceOf('api')
    expect(memoryBytes).toBeGreaterThanOrEqual((Number(environment['WEB_CONCURRENCY']) * 300 + 120) * 1e6)
  })

  it.each(['redis-buckets', 'redis-config'])('%s keeps its data over a kill, and evicts none', async name => {
    const { command, settings } = serviceOf(name)
    expect(settings['volumes']).toEqual([expect.stringMatching(/:\/data(:rw)?$/)])
    // All but the directory, which the test has.
    const redis = await RedisServer.start(...command.slice(command.indexOf('--save')))
    try {
      const admin = new Redis(redis.url)
      expect(await admin.config('GET', 'maxmemory-policy')).toEqual(['maxmemory-policy', 'noeviction'])
      const store = new RedisBucketStore(admin, new BucketKeys('throttler'))
      const check = { key: 'sold', policy: policyOf('sold', { limits: [quotaOf()] }), tokens: 3 }
      await store.check([check])
      await eventually(async () => expect(await admin.info('persistence')).toContain('aof_pending_bio_fsync:0'))
      await sleep(1_100)
      await redis.kill()
      await redis.restart()
      await eventually(async () => expect(await store.check([{ ...check, tokens: 0 }])).toMatchObject([{ spent: [3] }]))
      admin.disconnect()
    } finally {
      await redis.stop()
    }
  })

  it('gives the service its tokens in a file', () => {
    for (const name of ['api', 'worker']) {
      const { environment } = serviceOf(name)
      expect(environment).toMatchObject({ ADMIN_TOKENS_FILE: '/run/secrets/admin-tokens' })
      expect(environment).not.toHaveProperty('ADMIN_TOKENS')
    }
  })
})

describe('the Dockerfile', () => {
  it('pins its base image, and copies everything that .dockerignore does not exclude', () => {
    expect(baseImages()).toEqual([expect.stringMatching(PINNED)])
    expect(copiedFromContext().toSorted()).toEqual(letThrough().toSorted())
  })
})

describeLong('the Dockerfile, when it is built,', () => {
  it('gives a service that runs with only the files in the image', async () => {
    const store = await startStore()
    const image = await buildImage()
    const env = { REDIS_URL: store.url, NODE_ENV: 'production' }
    const services = await Promise.all([
      Service.start({ kind: 'api', root: image, env }),
      Service.start({ kind: 'worker', root: image, env }),
    ])
    const client = new Client(services[0].url)
    expect((await client.put('of-the-image', { capacity: 1, refillTokens: 1 })).status).toBe(201)
    expect((await client.check('of-the-image')).body).toMatchObject({ allowed: true, source: 'redis' })
    for (const page of ['/docs', '/docs/errors.md', '/openapi.json', '/admin/queues', '/metrics'])
      expect([page, (await client.get(page)).status]).toEqual([page, 200])
    await Promise.all(services.map(service => service.stop()))
    await store.stop()
    await rm(image, { recursive: true })
  })
})

describe('deploy/prometheus/prometheus.pm2.yml', () => {
  it('scrapes the default addresses, with the labels that the rules select', () => {
    const { scrape_configs } = parse(readFileSync(join(ROOT, 'deploy/prometheus/prometheus.pm2.yml'), 'utf8'))
    const { HOST, PORT, WORKER_METRICS_PORT } = readEnv({ needsRedis: false }, {})
    expect(scrape_configs).toEqual([
      {
        job_name: 'throttler',
        static_configs: [
          { targets: [`${HOST}:${PORT}`], labels: { role: 'api' } },
          { targets: [`${HOST}:${WORKER_METRICS_PORT}`], labels: { role: 'worker' } },
        ],
      },
    ])
    expect(labelsThatRulesSelect()).toEqual(new Set(['job=throttler', 'role=api', 'role=worker']))
  })
})

describeWithPrometheus('deploy/prometheus', () => {
  it('has a configuration and rules that Prometheus accepts, and rules that pass their tests', () => {
    for (const name of ['prometheus.yml', 'prometheus.pm2.yml'])
      expect(run('promtool', 'check', 'config', `deploy/prometheus/${name}`)).toContain('SUCCESS')
    expect(run('promtool', 'check', 'rules', 'deploy/prometheus/rules.yml')).toContain('SUCCESS')
    expect(run('promtool', 'test', 'rules', 'deploy/prometheus/rules.test.yml')).toContain('SUCCESS')
  })
})
