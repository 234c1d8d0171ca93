import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { configPartition } from '../../src/domain/partition.ts'
import { ConfigKeys, queueName } from '../../src/redis/keys.ts'
import { COMMANDS, objectsIn, runThrottler, runThrottlerUnheard, runThrottlerWith } from '../support/cli.ts'
import { Client } from '../support/client.ts'
import { describeWithRedis } from '../support/describe-with-redis.ts'
import { eventually } from '../support/eventually.ts'
import { RedisServer } from '../support/redis-server.ts'
import { ScriptedStore } from '../support/scripted-store.ts'
import { Service } from '../support/service.ts'

const policy = (capacity: number) => ({ capacity, refillTokens: 1, mode: 'off' })

describe('throttler', () => {
  it('lists its commands', async () => {
    const { code, output } = await runThrottler(['--help'])
    expect(code).toBe(0)
    expect(output.match(/^ {2}[a-z-]+(?= {2})/gm)?.map(name => name.trim())).toEqual(COMMANDS)
  })

  it.each(['start', 'check', 'import'])('%s --help describes the command', async name => {
    const { code, output, complaints } = await runThrottler([name, '--help'])
    expect([code, complaints]).toEqual([0, ''])
    expect(output).toMatch(new RegExp(`^throttler ${name}`))
  })

  it('prints its release', async () => {
    expect(await runThrottler(['--version'])).toMatchObject({
      code: 0,
      output: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
    })
  })

  it('ends silently when the reader of its output has closed the pipe', async () => {
    expect(await runThrottlerUnheard('--help')).toBe('')
  })

  it('reports in one line, with exit code 2, that its output cannot be written', async () => {
    const { code, complaints } = await runThrottlerWith('> /dev/full', ['--help'])
    expect(code).toBe(2)
    expect(complaints).toMatch(/^throttler: standard output cannot be written: ENOSPC.*\n$/)
  })

  it('refuses an argument that is not UTF-8, since it would name another key', async () => {
    const { code, complaints } = await runThrottlerWith(`"$(printf 'z:\\377')"`, ['get'])
    expect([code, complaints]).toEqual([
      2,
      expect.stringMatching(/^throttler get: the argument "z:.*" is not valid UTF-8;/),
    ])
  })

  it.each([
    [[], /COMMAND/],
    [['frobnicate'], /unknown command "frobnicate"/],
    [['constructor'], /unknown command "constructor"/],
    [['verify', '--quick'], /Unknown option '--quick'/],
    [['verify', 'please'], /"please" is one argument too many/],
    [['compact', '--keep'], /argument missing/],
    [['import', 'file', '--timeout', '0'], /--timeout must be an integer between 1 and 86400 \(got "0"\)/],
    [['import', 'file', '--timeout', '-1'], /--timeout must be an integer between 1 and 86400 \(got "-1"\)/],
    [['check', 'user:42', '--tokens', '-1'], /--tokens must be an integer between 0 and \d+ \(got "-1"\)/],
    [['check', 'user:42', '--tokens', '--json'], /--tokens must have a value \(got "--json"\)/],
    [['compact', '--keep', '-5'], /--keep must be .* \(got "-5"\)/],
    [['import', 'file', '--prune', ''], /--prune is empty; give a prefix of config keys such as "user:"/],
    [['import', 'file', '--prune', 'us*er'], /--prune must be a prefix of config keys .*"\*" at position 3/],
    [['import', 'file', '--actor', 'a b'], /--actor must have 1 to 128 characters.* \(got "a b"\)/],
    [['import', 'file', '--reason', 'x'.repeat(501)], /--reason has 501 characters; at most 500 are allowed/],
    [
      ['import', 'file', '--reason', 'a\nb\u001b[1m'],
      /--reason must not contain control characters \(got "a\\nb\\u001b\[1m"\)/,
    ],
  ])('%j is refused with exit code 2, and usage', async (args, complaint) => {
    const { code, output, complaints } = await runThrottler(args)
    expect([code, output]).toEqual([2, ''])
    expect(complaints).toMatch(complaint)
    expect(complaints).toContain('throttler')
    if (args.length > 1) expect(complaints.trimEnd().split('\n')).toHaveLength(1)
  })

  it.each([
    ['an invalid variable', { REDIS_URL: 'nonsense' }, /"REDIS_URL" must be redis:.*got "nonsense"/],
    ['an unavailable store', { REDIS_URL: 'redis://127.0.0.1:1' }, /the policy store is unavailable/],
    [
      'a file as DATA_DIR',
      { DATA_DIR: '/dev/null' },
      /DATA_DIR "\/dev\/null" does not tell whether .*: connect ENOTDIR/,
    ],
    ['no service on DATA_DIR', { DATA_DIR: '/nonexistent' }, /no service runs on DATA_DIR "\/nonexistent"/],
  ])('ends with exit code 2 if there is %s', async (_, variables, complaint) => {
    for (const command of [['verify'], ['rebuild'], ['compact', '--keep', '1']]) {
      const { code, complaints } = await runThrottler(command, variables)
      expect(code).toBe(2)
      expect(complaints).toMatch(complaint)
      expect(complaints.trim()).not.toContain('\n    at ')
    }
  })

  it.each([
    ['import', { REDIS_URL: 'redis://127.0.0.1:1' }],
    ['check-policies', {}],
  ])('%s is refused without a file', async (command, variables) => {
    const { code, complaints } = await runThrottler([command], variables)
    expect([code, complaints]).toEqual([2, expect.stringContaining('an argument is missing')])
  })

  it('ends a service that has invalid variables with exit code 1', async () => {
    for (const command of ['start', 'api', 'worker']) {
      const { code, complaints } = await runThrottler([command], { PORT: 'nonsense' })
      expect([command, code]).toEqual([command, 1])
      expect(complaints).toContain('"PORT" must be an integer between 0 and 65535 (got "nonsense")')
    }
  })
})

describe('throttler on the embedded store', () => {
  let service: Service
  let dataDir: string
  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'throttler-data-'))
    service = await Service.start({ env: { DATA_DIR: dataDir } })
  })
  afterAll(async () => {
    await service.stop()
    await rm(dataDir, { recursive: true, force: true })
  })

  it('finds the store by DATA_DIR, whose lock only its owner can access', async () => {
    await new Client(service.url).put('a', policy(1))
    expect(await runThrottler(['verify'], { DATA_DIR: dataDir })).toEqual({
      code: 0,
      output: '{"clean":true,"differences":0}\n',
      complaints: '',
    })
    expect((await stat(join(dataDir, 'lock'))).mode & 0o777).toBe(0o600)
  })
})

describeWithRedis('throttler on Redis', () => {
  let redis: RedisServer
  let admin: Redis
  let service: Service
  let client: Client
  let variables: Record<string, string>
  beforeAll(async () => {
    redis = await RedisServer.start()
    admin = new Redis(redis.url)
    variables = { REDIS_URL: redis.url }
    service = await Service.start({ env: variables })
    client = new Client(service.url)
  })
  afterAll(async () => {
    await service.stop()
    admin.disconnect()
    await redis.stop()
  })

  it('exports what it imports, byte for byte', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'throttler-policies-'))
    const file = join(directory, 'policies.ndjson')
    const other = { ...variables, KEY_PREFIX: 'other' }
    const worker = await Service.start({ kind: 'worker', env: other })
    try {
      for (const key of ['ü/日本', 'short', 'prefix:*']) await client.put(key, { ...policy(7), description: 'é' })
      const exported = await runThrottler(['export'], variables)
      expect(exported).toMatchObject({ code: 0, complaints: '' })
      expect(exported.output).toBe((await client.get('/config/export')).text)
      await writeFile(file, exported.output)

      const count = exported.output.split('\n').length - 1
      const imported = await runThrottler(['import', file, '--reason', 'moved'], other)
      expect([imported.code, objectsIn(imported.output)]).toMatchObject([0, [{ status: 'applied', created: count }]])
      expect(await runThrottler(['export'], other)).toEqual(exported)
      expect(await runThrottler(['verify'], other)).toMatchObject({ code: 0 })
    } finally {
      await worker.stop()
      await rm(directory, { recursive: true })
    }
  })

  it('import says that a part may be applied if the store becomes unavailable', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'throttler-policies-'))
    const file = join(directory, 'policies.ndjson')
    await writeFile(file, '{"key":"a","capacity":1,"refillTokens":1}\n')
    const server = await RedisServer.start()
    const waiting = new Redis(server.url)
    try {
      const imported = runThrottler(['import', file], { REDIS_URL: server.url })
      const queues = [0, 1, 2, 3].map(n => `${new ConfigKeys('throttler', n).queuePrefix}:${queueName(n)}:wait`)
      await eventually(async () => expect(await waiting.exists(...queues)).toBe(queues.length))
      waiting.disconnect()
      await server.kill()
      const { code, complaints } = await imported
      expect(code).toBe(2)
      expect(complaints).toMatch(
        /the policy store is unavailable: .*; a part of the import may be applied; .* is safe\n$/,
      )
    } finally {
      waiting.disconnect()
      await server.stop()
      await rm(directory, { recursive: true })
    }
  })

  it('ends if the store hangs', async () => {
    const server = await RedisServer.start()
    try {
      server.signal('SIGSTOP')
      const commands = [['verify'], ['export'], ['get', 'a'], ['check', 'a'], ['set', 'a', '{"mode":"off"}']]
      const runs = await Promise.all(commands.map(command => runThrottler(command, { REDIS_URL: server.url })))
      for (const { code, complaints } of runs) {
        expect(code).toBe(2)
        expect(complaints).toMatch(/^throttler \w+: the policy store is unavailable: .+\n$/)
      }
    } finally {
      await server.stop()
    }
  })

  it('ends if the store answers null to everything', async () => {
    const store = await ScriptedStore.start()
    try {
      store.replies = new Proxy({}, { get: () => '$-1\r\n' })
      for (const command of [['verify'], ['export'], ['get', 'a'], ['check', 'a']]) {
        expect(await runThrottler(command, { REDIS_URL: `redis://${store.host}` })).toEqual({
          code: 2,
          output: '',
          complaints: `throttler ${command[0]}: the policy store is unavailable: the server sent a malformed reply to INFO\n`,
        })
      }
    } finally {
      await store.stop()
    }
  })

  it('import reports that no worker takes the command, ends after its timeout, and is applied once a worker runs', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'throttler-policies-'))
    const file = join(directory, 'policies.ndjson')
    const other = { ...variables, KEY_PREFIX: 'waiting' }
    const line = '{"key":"a","limits":[{"name":"x","capacity":1,"refillTokens":1,"refillIntervalMs":1}],"mode":"off"}\n'
    await writeFile(file, line)
    const { code, output, complaints } = await runThrottler(['import', file, '--timeout', '6', '--actor', 'ann'], other)
    expect([code, output]).toEqual([2, ''])
    expect(complaints.split('\n')).toEqual([
      expect.stringMatching(/^no worker has taken command import-\S+ yet; .*start one with "throttler worker"$/),
      expect.stringMatching(/^throttler import: command import-\S+ has not ended within 6 s; it stays queued/),
      '',
    ])
    const worker = await Service.start({ kind: 'worker', env: other })
    try {
      const { policies } = new ConfigKeys('waiting', configPartition('a'))
      await eventually(async () => expect(await admin.hget(policies, 'a')).toMatch(/"updatedBy":"ann"/))
      expect(await runThrottler(['export'], other)).toMatchObject({ code: 0, output: line })
    } finally {
      await worker.stop()
      await rm(directory, { recursive: true })
    }
  })
})
