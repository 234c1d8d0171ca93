import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { configPartition } from '../../src/domain/partition.ts'
import { ConfigKeys } from '../../src/redis/keys.ts'
import { runThrottler, runThrottlerUnheard, runThrottlerWith } from '../support/cli.ts'
import { Client } from '../support/client.ts'
import { describeWithRedis } from '../support/describe-with-redis.ts'
import { eventually } from '../support/eventually.ts'
import { RedisServer } from '../support/redis-server.ts'
import { Service } from '../support/service.ts'

const COMMANDS = [
  'start',
  'api',
  'worker',
  'check',
  'reset',
  'get',
  'set',
  'delete',
  'history',
  'rollback',
  'export',
  'import',
  'check-policies',
  'verify',
  'rebuild',
  'compact',
]
const policy = (capacity: number) => ({ capacity, refillTokens: 1, mode: 'off' })

describe('throttler', () => {
  it('lists its commands', async () => {
    const { code, output } = await runThrottler(['--help'])
    expect(code).toBe(0)
    expect(output.match(/^ {2}[a-z-]+(?= {2})/gm)?.map(name => name.trim())).toEqual(COMMANDS)
  })

  it.each(COMMANDS)('%s --help describes the command', async name => {
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

  it.each([
    [[], /COMMAND/],
    [['frobnicate'], /unknown command "frobnicate"/],
    [['constructor'], /unknown command "constructor"/],
    [['verify', '--quick'], /Unknown option '--quick'/],
    [['verify', 'please'], /"please" is one argument too many/],
    [['compact', '--keep'], /argument missing/],
    [['import', 'file', '--timeout', '0'], /--timeout must be an integer between 1 and 86400 \(got "0"\)/],
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
  })

  it.each([
    ['an invalid variable', { REDIS_URL: 'nonsense' }, /"REDIS_URL" must be redis:.*got "nonsense"/],
    ['an unavailable store', { REDIS_URL: 'redis://127.0.0.1:1' }, /the policy store is unavailable/],
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

describe('throttler check-policies', () => {
  const good = (key: string) => JSON.stringify({ key, capacity: 3, refillTokens: 1 })
  let directory: string
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'throttler-policies-'))
  })
  afterAll(() => rm(directory, { recursive: true }))

  async function check(...lines: string[]) {
    const file = join(directory, 'policies.ndjson')
    await writeFile(file, lines.map(line => `${line}\n`).join(''))
    return runThrottler(['check-policies', file])
  }

  it('finds no fault in a file that can be imported', async () => {
    expect(await check(good('a'), good('b:*'))).toEqual({ code: 0, output: '2 good, 0 bad\n', complaints: '' })
  })

  it('warns of a key that looks like a network', async () => {
    const { code, output } = await check(good('a'), good('ip:10.0.0.0/8'))
    expect([code, output.split('\n')]).toEqual([
      0,
      [expect.stringMatching(/^line 2: warning: the key "ip:10.0.0.0\/8" looks like a network/), '2 good, 0 bad', ''],
    ])
  })

  it('names every invalid line, with the reason', async () => {
    const { code, output } = await check(
      good('a'),
      '{"key":',
      good('a'),
      good('*a'),
      '{"key":"x","capacity":0,"refillTokens":1}',
    )
    expect(code).toBe(1)
    expect(output.split('\n')).toEqual([
      expect.stringMatching(/^line 2: it is not valid JSON/),
      'line 3: the key "a" is already on line 1',
      expect.stringMatching(/^line 4: .*"\*" is allowed only at the end/),
      expect.stringMatching(/^line 5: \/capacity/),
      '1 good, 4 bad',
      '',
    ])
  })

  it.each([
    ['that does not exist', '/nonexistent', /^throttler check-policies: \/nonexistent cannot be read: ENOENT.*\n$/],
    ['that is a directory', tmpdir(), /^throttler check-policies: .* cannot be read: EISDIR.*\n$/],
  ])('reports in one line that a file %s cannot be read', async (_, file, complaint) => {
    expect(await runThrottler(['check-policies', file])).toEqual({
      code: 2,
      output: '',
      complaints: expect.stringMatching(complaint),
    })
  })

  it('reports that standard input is a directory', async () => {
    const complaints = 'throttler check-policies: standard input cannot be read: it is a directory\n'
    expect(await runThrottlerWith('< /', ['check-policies', '-'])).toEqual({ code: 2, output: '', complaints })
  })

  it('shows the control characters of a file as escape sequences', async () => {
    const { output } = await check('\u001b]0;title\u0007', good('\u202eip:10.0.0.0/8'))
    expect(output).toContain('line 1: it is not valid JSON')
    expect(output).toContain('\\u001b]0;title\\u0007')
    expect(output).toMatch(/line 2: warning: .*\\u202e/)
    expect(output).not.toMatch(/[^\P{Cc}\n]|\u202e/u)
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
      output: 'clean: the log and what is in use agree\n',
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

  const keysOf = (key: string) => new ConfigKeys('throttler', configPartition(key))

  it('verify names a field that was edited by hand, and rebuild repairs it while checks and changes continue', async () => {
    await client.put('edited', policy(3))
    let isOver = false
    const statuses = new Set<number>()
    const checks = Promise.all(
      Array.from({ length: 4 }, async (_, i) => {
        while (!isOver) statuses.add((await client.check(`checked-${i}`)).status)
      }),
    )
    const changes = Promise.all(
      ['a', 'b', 'c', 'd'].map(async key => {
        for (let capacity = 1; !isOver; capacity++) {
          expect((await client.put(key, policy(capacity))).body.version).toBe(capacity)
        }
      }),
    )
    try {
      expect(await runThrottler(['verify'], variables)).toMatchObject({ code: 0 })
      const { policies } = keysOf('edited')
      const record = (await admin.hget(policies, 'edited')) ?? ''
      await admin.hset(policies, 'edited', record.replace('"capacity":3', '"capacity":4'))

      const { code, output } = await runThrottler(['verify'], variables)
      expect([code, output.split('\n')]).toEqual([
        1,
        [
          expect.stringMatching(
            new RegExp(
              `^partition ${configPartition('edited')}, policies, "edited": has .*"capacity":4.*the log says .*:3`,
            ),
          ),
          '1 difference',
          '',
        ],
      ])
      expect(await runThrottler(['rebuild'], variables)).toMatchObject({ code: 0, output: 'rebuilt\n' })
      expect(await runThrottler(['verify'], variables)).toMatchObject({ code: 0 })
    } finally {
      isOver = true
      await Promise.all([checks, changes])
    }
    expect([...statuses].filter(status => status !== 200 && status !== 429)).toEqual([])
    expect((await client.get('/config/edited')).body.limits[0].capacity).toBe(3)
  })

  it('reports each damaged key in one line, repairs what the log allows, and reports what it did not rebuild', async () => {
    const other = { ...variables, KEY_PREFIX: 'damaged' }
    const { names, log, compactedTo } = new ConfigKeys('damaged', 1)
    await admin.set(names, 'of another type')
    await admin.set(compactedTo, '1000000000000000000')
    await admin.xadd(log, '1-0', 'event', 'not JSON')
    const unreadable = 'partition 1, log: the event at position 1 is damaged'
    const notRebuilt = 'partition 1 was not rebuilt: its log holds an event that cannot be read'
    const complaints = ''
    expect(await runThrottler(['verify'], other)).toEqual({
      code: 1,
      output: expect.stringMatching(
        /^partition 1, log: "compacted-to" is "10+", but the log begins at position 1; .*\n1 difference\n$/,
      ),
      complaints,
    })
    expect(await runThrottler(['rebuild'], other)).toEqual({
      code: 1,
      output: `partition 1, log: repaired "compacted-to"\n${unreadable}\n${notRebuilt}\nrebuilt 3 of 4 partitions\n`,
      complaints,
    })
    const wrongType = `partition 1, names: the key "${names}" is of type string instead of zset`
    const found = { code: 1, output: `${unreadable}\n${wrongType}\n2 differences\n`, complaints }
    expect(await runThrottler(['verify'], other)).toEqual(found)
    expect(await runThrottler(['export'], other)).toMatchObject({
      code: 2,
      complaints: expect.stringMatching(/^throttler export: the key .* is of type string instead of zset; .*\n$/),
    })
  }, 60_000)

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
      expect(await runThrottler(['import', file, '--reason', 'moved'], other)).toEqual({
        code: 0,
        output: `imported: ${count} created, 0 changed, 0 unchanged\n`,
        complaints: '',
      })
      expect(await runThrottler(['export'], other)).toEqual(exported)
      expect(await runThrottler(['verify'], other)).toMatchObject({ code: 0 })

      await writeFile(file, `${exported.output}{"key":"bad"}\n`)
      const refused = await runThrottler(['import', file], other)
      expect([refused.code, refused.output]).toEqual([
        1,
        expect.stringMatching(new RegExp(`^line ${count + 1} is invalid`)),
      ])
    } finally {
      await worker.stop()
      await rm(directory, { recursive: true })
    }
  })

  it('import reports that no worker takes the command, ends after its timeout, and is applied once a worker runs', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'throttler-policies-'))
    const file = join(directory, 'policies.ndjson')
    const other = { ...variables, KEY_PREFIX: 'waiting' }
    const line = '{"key":"a","limits":[{"name":"x","capacity":1,"refillTokens":1,"refillIntervalMs":1}],"mode":"off"}\n'
    await writeFile(file, line)
    const { code, output, complaints } = await runThrottler(['import', file, '--timeout', '3', '--actor', 'ann'], other)
    expect([code, output]).toEqual([2, ''])
    expect(complaints.split('\n')).toEqual([
      expect.stringMatching(/^no worker has taken command import-\S+ yet; .*start one with "throttler worker"$/),
      expect.stringMatching(/^throttler import: command import-\S+ has not ended within 3 s; it stays queued/),
      '',
    ])
    const worker = await Service.start({ kind: 'worker', env: other })
    try {
      const { policies } = new ConfigKeys('waiting', configPartition('a'))
      await eventually(async () => expect(await admin.hget(policies, 'a')).toMatch(/"updatedBy":"ann"/), 10_000)
      expect(await runThrottler(['export'], other)).toMatchObject({ code: 0, output: line })
      const missing = await runThrottler(['import', '/nonexistent'], other)
      expect(missing.complaints).toMatch(/^throttler import: \/nonexistent cannot be read: ENOENT.*\n$/)
    } finally {
      await worker.stop()
      await rm(directory, { recursive: true })
    }
  })

  it('import prunes, and a dry run prints what it would change', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'throttler-policies-'))
    const file = join(directory, 'policies.ndjson')
    const other = { ...variables, KEY_PREFIX: 'pruning' }
    const worker = await Service.start({ kind: 'worker', env: other })
    const write = (...keys: readonly string[]) =>
      writeFile(file, keys.map(key => `${JSON.stringify({ key, ...policy(7) })}\n`).join(''))
    const throttler = (...options: readonly string[]) => runThrottler(['import', file, ...options], other)
    const dryRun = () => throttler('--prune', 'user:*', '--dry-run')
    try {
      await write('user:1', 'user:2', 'other')
      expect(await throttler()).toMatchObject({ code: 0, output: 'imported: 3 created, 0 changed, 0 unchanged\n' })
      await write('user:1', 'user:3')
      const found = await dryRun()
      expect([found.code, found.complaints]).toEqual([1, ''])
      const shown = { limits: [{ name: 'default', capacity: 7, refillTokens: 1, refillIntervalMs: 1000 }], mode: 'off' }
      expect(JSON.parse(found.output)).toEqual({
        ...{ created: 1, changed: 0, unchanged: 1, deleted: 1 },
        differences: [
          { key: 'user:3', type: 'created', from: null, to: shown },
          { key: 'user:2', type: 'deleted', from: shown, to: null },
        ],
      })
      const imported = await throttler('--prune', 'user:')
      expect(imported).toMatchObject({
        code: 0,
        output: 'imported: 1 created, 0 changed, 1 unchanged, 1 deleted\n',
      })
      expect(await dryRun()).toMatchObject({ code: 0, output: expect.stringMatching(/"differences":\[\]/) })

      await write('user:1', 'other')
      const outside = expect.stringMatching(/line 2 is invalid.*"other" does not begin with "user:".*\n$/)
      expect(await dryRun()).toEqual({ code: 2, output: '', complaints: outside })
      expect(await throttler('--prune', 'user:')).toEqual({ code: 1, output: outside, complaints: '' })
      await write()
      expect(await dryRun()).toMatchObject({ code: 2, complaints: expect.stringContaining('an empty file') })
      const missing = await runThrottler(['import', '/nonexistent', '--dry-run'], other)
      expect(missing).toMatchObject({ code: 2, complaints: expect.stringContaining('cannot be read: ENOENT') })
    } finally {
      await worker.stop()
      await rm(directory, { recursive: true })
    }
  }, 60_000)

  it('compact keeps the given number of events, and a worker keeps CONFIG_LOG_KEEP events by itself', async () => {
    for (let capacity = 1; capacity <= 8; capacity++) await client.put('compacted', policy(capacity))
    const { log } = keysOf('compacted')
    expect(await runThrottler(['compact', '--keep', '5'], variables)).toMatchObject({ code: 0 })
    expect(await admin.xlen(log)).toBe(5)
    expect(await runThrottler(['compact', '--keep', '0'], variables)).toMatchObject({ code: 2 })
    expect(await runThrottler(['compact'], variables)).toMatchObject({
      code: 2,
      complaints: expect.stringContaining('CONFIG_LOG_KEEP is all'),
    })
    expect(await runThrottler(['compact'], { ...variables, CONFIG_LOG_KEEP: '4' })).toMatchObject({ code: 0 })
    expect(await admin.xlen(log)).toBe(4)

    const worker = await Service.start({ kind: 'worker', env: { ...variables, CONFIG_LOG_KEEP: '2' } })
    await eventually(async () => expect(await admin.xlen(log)).toBe(2), 10_000)
    await worker.stop()
    expect((await client.get('/config/compacted?version=1')).body.code).toBe('version-not-found')
    expect((await client.put('compacted', policy(9))).body.version).toBe(9)
    expect(await runThrottler(['verify'], variables)).toMatchObject({ code: 0 })
  })
})
