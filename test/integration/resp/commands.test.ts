import { describe, expect, it } from '@jest/globals'
import { version } from '../../../src/lib/version.ts'
import { type Reply, RespClient } from '../../support/resp-client.ts'
import { givenApp } from '../http/given-app.ts'
import { givenClient } from './given-client.ts'

// Nothing refills during a test.
const given = givenApp({
  variables: {
    RESP_PORT: '0',
    DEFAULT_CAPACITY: '10',
    DEFAULT_REFILL_TOKENS: '1',
    DEFAULT_REFILL_INTERVAL_MS: '1000000',
  },
})
const connection = givenClient(() => given.app.respPort)
const ask = (...words: string[]) => connection.client.ask(...words)
const firstOf = (reply: Reply, count: number) => (Array.isArray(reply) ? reply.slice(0, count) : reply)

describe('THROTTLE.CHECK', () => {
  it('replies with the decision as an array', async () => {
    expect(await ask('THROTTLE.CHECK', 'array')).toEqual([1, 10, 9, 0, 1_000_000, 'default', 'redis'])
    expect(await ask('throttle.check', 'array', 'tokens', '8')).toEqual([
      1,
      10,
      1,
      0,
      expect.any(Number),
      'default',
      'redis',
    ])
    expect(await ask('THROTTLE.CHECK', 'array', 'TOKENS', '3')).toEqual([
      0,
      10,
      1,
      expect.any(Number),
      expect.any(Number),
      'default',
      'redis',
    ])
  })

  it('replies with a map under RESP3', async () => {
    await ask('HELLO', '3')
    const { allowed, ...rest } = (await ask('THROTTLE.CHECK', 'map', 'TOKENS', '0')) as Record<string, unknown>
    expect({ allowed, ...rest }).toEqual({
      allowed: 1,
      limit: 10,
      remaining: 10,
      retryAfterMs: 0,
      resetAfterMs: 0,
      policy: 'default',
      source: 'redis',
    })
  })

  it('spends from the bucket that HTTP spends from, by the policy that the caller names', async () => {
    await given.app.client.put('plan:gold', { capacity: 100, refillTokens: 1 })
    await given.app.client.check('shared', 2)
    expect(firstOf(await ask('THROTTLE.CHECK', 'shared', 'POLICY', 'plan:gold', 'TOKENS', '8'), 3)).toEqual([
      1, 100, 90,
    ])
  })

  it('has -1 for what is unknown or never comes', async () => {
    await given.app.client.put('blocked', { mode: 'block' })
    await given.app.client.put('off', { mode: 'off' })
    expect(await ask('THROTTLE.CHECK', 'blocked')).toEqual([0, -1, 0, -1, -1, 'blocked', 'policy'])
    expect(await ask('THROTTLE.CHECK', 'off')).toEqual([1, -1, -1, 0, 0, 'off', 'policy'])
  })

  it.each([
    [['TOKENS', '11'], /^-TOKENS-EXCEED-CAPACITY 11 tokens asked for "refused"/],
    [['TOKENS', 'x'], /^-VALIDATION-FAILED TOKENS: must be an integer between 0 and 1000000000 \(got "x"\)$/],
    [['TOKENS', 'é'], /^-VALIDATION-FAILED TOKENS: must be .* \(got "é"\)$/],
    [['TOKENS', '-1'], /^-VALIDATION-FAILED TOKENS/],
    [['TOKENS', '1000000001'], /^-VALIDATION-FAILED TOKENS/],
    [['TOKENS', '1.0'], /^-VALIDATION-FAILED TOKENS/],
    [['POLICY', 'nobody'], /^-POLICY-UNKNOWN the check of "refused" names the policy "nobody"/],
    [['POLICY', 'a*b'], /^-VALIDATION-FAILED POLICY: must be a config key/],
    [['TOKENS'], /^-ERR syntax error$/],
    [['COST', '1'], /^-ERR syntax error$/],
    [['TOKENS', '1', 'TOKENS', '2'], /^-ERR syntax error$/],
    [['POLICY', 'a', 'POLICY', 'a'], /^-ERR syntax error$/],
  ])('refuses %j', async (options, error) => {
    expect(await ask('THROTTLE.CHECK', 'refused', ...options)).toMatch(error)
  })

  it.each([
    [Buffer.from('a\nb'), /^-KEY-INVALID the key contains the control character U\+000A/],
    [Buffer.from([0xff, 0xfe]), /^-KEY-INVALID the key must be valid UTF-8$/],
    [Buffer.from(''), /^-KEY-INVALID the key is empty/],
    [Buffer.from('x'.repeat(257)), /^-KEY-INVALID the key has 257 bytes/],
    [Buffer.from('..'), /^-KEY-INVALID/],
    [Buffer.from('rls;a'), /^-KEY-RESERVED /],
  ])('refuses the key %j', async (key, error) => {
    expect(await connection.client.ask('THROTTLE.CHECK', key)).toMatch(error)
  })

  it('takes keys of any script', async () => {
    expect(firstOf(await ask('THROTTLE.CHECK', 'ключ:🔑'), 3)).toEqual([1, 10, 9])
    expect((await given.app.client.check('ключ:🔑')).body.remaining).toBe(8)
  })
})

describe('CL.THROTTLE', () => {
  it('replies as redis-cell documents', async () => {
    expect(await ask('CL.THROTTLE', 'user123', '15', '30', '60', '1')).toEqual([0, 16, 15, -1, 2])
  })

  it('charges a denied quantity if the policy that matches the key has overdraft, and denies 0 in debt', async () => {
    const policy = { capacity: 10, refillTokens: 1, refillIntervalMs: 1_000_000, overdraft: true }
    await given.app.client.put('cell:model', policy)
    expect(firstOf(await ask('CL.THROTTLE', 'cell:model', '1', '1', '1', '12'), 4)).toEqual([1, 10, 0, -1])
    expect(firstOf(await ask('CL.THROTTLE', 'cell:model', '1', '1', '1', '0'), 3)).toEqual([1, 10, 0])
    expect(firstOf(await ask('THROTTLE.CHECK', 'cell:model', 'TOKENS', '0'), 3)).toEqual([0, 10, 0])
  })

  it('denies a quantity above the limit without a time to wait, and reads with a quantity of 0', async () => {
    const { client } = connection
    // They are decided as one batch, at the same time.
    for (const quantity of [['2'], ['6'], ['4'], ['0'], []]) {
      client.send('CL.THROTTLE', 'quantities', '4', '1', '60', ...quantity)
    }
    expect(await client.take(5)).toEqual([
      [0, 5, 3, -1, 120],
      [1, 5, 3, -1, 120],
      [1, 5, 3, 60, 120],
      [0, 5, 3, -1, 120],
      [0, 5, 2, -1, 180],
    ])
  })

  it.each([
    [['-1', '1', '1'], 'max_burst: must be an integer between 0 and 999999999 (got "-1")'],
    [['1000000000', '1', '1'], 'max_burst: must be an integer between 0 and 999999999 (got "1000000000")'],
    [['1', '0', '1'], 'count: must be an integer between 1 and 1000000000 (got "0")'],
    [['1', '1', '0'], 'period: must be an integer between 1 and 2678400 (got "0")'],
    [['1', '1', '2678401'], 'period: must be an integer between 1 and 2678400 (got "2678401")'],
    [['1', '1', '1', '-1'], 'quantity: must be an integer between 0 and 1000000000 (got "-1")'],
    [['1e3', '1', '1'], 'max_burst: must be an integer between 0 and 999999999 (got "1e3")'],
    [['x'.repeat(100), '1', '1'], `max_burst: must be an integer between 0 and 999999999 (got "${'x'.repeat(64)}")`],
    [['999999999', '1', '2678400'], expect.stringMatching(/^the limit: capacity × refillIntervalMs ÷ gcd/)],
  ])('refuses %j', async (args, detail) => {
    const reply = String(await ask('CL.THROTTLE', 'k', ...args))
    expect(reply.slice(0, 19)).toBe('-VALIDATION-FAILED ')
    expect(reply.slice(19)).toEqual(detail)
  })

  it('obeys the policy that an operator stored for the key, within a second, and not the built-in one', async () => {
    // What is spent of the built-in policy does not refill before the stored one applies.
    expect(firstOf(await ask('CL.THROTTLE', 'team:1', '15', '1', '86400'), 2)).toEqual([0, 16])
    await given.app.client.put('team:*', { capacity: 3, refillTokens: 1, refillIntervalMs: 60_000 })
    expect(firstOf(await ask('CL.THROTTLE', 'team:1', '15', '30', '60'), 3)).toEqual([0, 3, 1])
    expect(firstOf(await ask('CL.THROTTLE', 'team:1', '15', '30', '60', '4'), 4)).toEqual([1, 3, 1, -1])
    await given.app.client.put('team:1', { mode: 'block' })
    expect(await ask('CL.THROTTLE', 'team:1', '15', '30', '60')).toEqual([1, 0, 0, -1, -1])
    await given.app.client.put('team:1', { mode: 'off' })
    expect(await ask('CL.THROTTLE', 'team:1', '15', '30', '60')).toEqual([0, -1, -1, -1, 0])
    await given.app.client.put('team:1', { capacity: 1, refillTokens: 1, refillIntervalMs: 60_000, mode: 'shadow' })
    expect(firstOf(await ask('CL.THROTTLE', 'team:1', '15', '30', '60', '9'), 4)).toEqual([0, 1, 0, -1])
    await given.app.client.delete('team:1')
    await given.app.client.delete('team:*')
    expect(firstOf(await ask('CL.THROTTLE', 'team:1', '15', '30', '60'), 2)).toEqual([0, 16])
  })

  it('is counted under the policy "request"', async () => {
    await ask('CL.THROTTLE', 'counted', '15', '30', '60')
    const { text } = await given.app.client.get('/metrics')
    expect(text).toMatch(/^throttler_checks_total\{policy="request",outcome="allowed",source="redis"\} \d+$/m)
    expect(text).toMatch(/^throttler_resp_commands_total\{command="cl.throttle",outcome="ok"\} \d+$/m)
    expect(text).toMatch(/^throttler_resp_commands_total\{command="cl.throttle",outcome="error"\} \d+$/m)
  })
})

describe('the commands of a pipeline', () => {
  it('are answered in order, each by the protocol of its moment', async () => {
    const { client } = connection
    client.send('CL.THROTTLE', 'pipeline', '4', '1', '60')
    client.send('PING')
    client.send('CL.THROTTLE', 'pipeline', '4', '1', '60', '9')
    client.send('HELLO', '3')
    client.send('THROTTLE.CHECK', 'pipeline')
    client.send('NOTHING')
    client.send('RESET')
    client.send('CL.THROTTLE', 'pipeline', '4', '1', '60')
    expect(await client.take(8)).toEqual([
      [0, 5, 4, -1, 60],
      'PONG',
      [1, 5, 4, -1, 60],
      expect.objectContaining({ server: 'throttler', version, proto: 3, mode: 'standalone', role: 'master' }),
      expect.objectContaining({ allowed: 1, remaining: 8 }),
      "-ERR unknown command 'NOTHING', with args beginning with: ",
      'RESET',
      [0, 5, 2, -1, 180],
    ])
  })

  it('are decided exactly, however many there are', async () => {
    const { client } = connection
    const count = 3_000
    for (let i = 0; i < count; i++) client.send('CL.THROTTLE', 'thousands', '999', '1', '86400')
    const replies = (await client.take(count)) as number[][]
    expect(replies.filter(([isDenied]) => isDenied === 0)).toHaveLength(1_000)
    expect(replies.slice(0, 1_000).map(([, , remaining]) => remaining)).toEqual(
      Array.from({ length: 1_000 }, (_, i) => 999 - i),
    )
  })

  it('share calls of the store', async () => {
    const calls = async () =>
      Number(/^throttler_store_batch_size_count (\d+)$/m.exec((await given.app.client.get('/metrics')).text)?.[1])
    const before = await calls()
    const { client } = connection
    client.socket.write(
      Buffer.concat(Array.from({ length: 16 }, (_, i) => Buffer.from(`THROTTLE.CHECK share:${i}\r\n`))),
    )
    await client.take(16)
    expect((await calls()) - before).toBeLessThanOrEqual(2)
  })

  it('are answered to a client that has shut down its side', async () => {
    const { client } = connection
    client.socket.end('THROTTLE.CHECK half\r\nPING\r\n')
    expect(await client.take(2)).toEqual([expect.arrayContaining([1, 10]), 'PONG'])
    await client.closed
  })
})

describe('a connection', () => {
  it('ends after QUIT, and ignores what follows', async () => {
    const { client } = connection
    client.socket.write('PING\r\nQUIT\r\nPING\r\n')
    await client.closed
    expect(client.replies).toEqual(['PONG', 'OK'])
  })

  it('has an id and a name of its own', async () => {
    const other = await RespClient.connect(given.app.respPort)
    const ids = [await ask('CLIENT', 'ID'), await other.ask('CLIENT', 'ID')]
    expect(new Set(ids).size).toBe(2)
    expect(await ask('CLIENT', 'GETNAME')).toBeNull()
    expect(await ask('CLIENT', 'SETNAME', 'mine')).toBe('OK')
    expect(await ask('CLIENT', 'GETNAME')).toBe('mine')
    expect(await other.ask('HELLO', '2', 'SETNAME', 'theirs')).toEqual(expect.arrayContaining(['server', 'throttler']))
    expect(await other.ask('CLIENT', 'GETNAME')).toBe('theirs')
    expect(await ask('CLIENT', 'SETINFO', 'LIB-NAME', 'test')).toBe('OK')
    expect(await ask('CLIENT', 'SETINFO', 'LIB-VER', 'a b')).toMatch(/^-ERR lib-name or lib-ver cannot/)
    other.end()
  })

  it('has a name of at most 256 bytes', async () => {
    const [longest, longer] = ['x'.repeat(256), 'x'.repeat(257)]
    expect(await ask('CLIENT', 'SETNAME', longest)).toBe('OK')
    const refusal = '-ERR Client names cannot be longer than 256 bytes.'
    expect(await ask('CLIENT', 'SETNAME', longer)).toBe(refusal)
    expect(await ask('HELLO', '2', 'SETNAME', longer)).toBe(refusal)
    expect(await ask('CLIENT', 'GETNAME')).toBe(longest)
  })

  it('learns of every command, and that the server is not loading', async () => {
    const commands = (await ask('COMMAND')) as [string, number][]
    expect(commands.map(([name]) => name)).toEqual(
      expect.arrayContaining(['throttle.check', 'cl.throttle', 'hello', 'command']),
    )
    const described = commands.find(([name]) => name === 'cl.throttle')
    expect(described?.slice(0, 7)).toEqual(['cl.throttle', -5, ['write', 'fast'], 1, 1, 1, ['@write', '@fast']])
    expect(await ask('INFO', 'server')).toMatch(/\r\nloading:0\r\n/)
  })
})
