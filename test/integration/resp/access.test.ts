import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { TestApp } from '../../support/app.ts'
import { eventually } from '../../support/eventually.ts'
import { ADMIN, CHECKER, givenLog, READER, TOKEN_VARIABLES } from '../../support/guarded-calls.ts'
import { frameOf, RespClient } from '../../support/resp-client.ts'
import { givenApp } from '../http/given-app.ts'
import { givenClient } from './given-client.ts'

const { lines, logger } = givenLog()
let isOverloaded = false

const variables = { RESP_PORT: '0', ...TOKEN_VARIABLES }
const given = givenApp({ logger, variables, isOverloaded: () => isOverloaded })
const connection = givenClient(() => given.app.respPort)
const ask = (...words: string[]) => connection.client.ask(...words)
const NOAUTH = '-NOAUTH Authentication required.'
const WRONGPASS = '-WRONGPASS invalid username-password pair or user is disabled.'

describe('with tokens, a client', () => {
  it('may only log in, greet and quit', async () => {
    for (const command of ['PING', 'THROTTLE.CHECK', 'CL.THROTTLE', 'RESET', 'COMMAND', 'NOTHING', 'SELECT']) {
      expect(await ask(command)).toBe(NOAUTH)
    }
    expect(await ask('HELLO', '3')).toMatch(/^-NOAUTH HELLO must be called with the client already authenticated/)
    expect(await ask('QUIT')).toBe('OK')
  })

  it.each([
    ['a check token', ['AUTH', CHECKER]],
    ['a check token with any name', ['AUTH', 'somebody', CHECKER]],
    ['an admin token', ['AUTH', 'default', ADMIN]],
    ['a greeting', ['HELLO', '2', 'AUTH', 'gate', CHECKER]],
  ])('logs in with %s', async (_name, words) => {
    expect(String(await ask(...words))).toMatch(/^OK|throttler/)
    expect(await ask('THROTTLE.CHECK', 'user:1')).toEqual(expect.arrayContaining(['default']))
    expect(await ask('RESET')).toBe('RESET')
    expect(await ask('PING')).toBe(NOAUTH)
  })

  it('logs in within a pipeline', async () => {
    const { client } = connection
    client.send('PING')
    client.send('AUTH', 'wrong')
    client.send('AUTH', CHECKER)
    client.send('THROTTLE.CHECK', 'user:2')
    client.send('AUTH', 'wrong')
    client.send('PING')
    const replies = await client.take(6)
    expect([...replies.slice(0, 3), ...replies.slice(4)]).toEqual([NOAUTH, WRONGPASS, 'OK', WRONGPASS, 'PONG'])
  })

  it('is refused with a token that may only read', async () => {
    expect(await ask('AUTH', READER)).toBe('-FORBIDDEN the token "eve" may only read; a check spends')
    expect(await ask('PING')).toBe(NOAUTH)
  })

  it('is named in the log by its token, and its keys by their hashes', async () => {
    lines.length = 0
    await ask('AUTH', 'no-such-secret')
    await ask('AUTH', CHECKER)
    await ask('THROTTLE.CHECK', 'user:secret-key')
    await eventually(() => expect(lines.filter(({ msg }) => msg === 'command')).toHaveLength(3))
    expect(lines.find(({ msg }) => msg === 'login refused')).toMatchObject({ protocol: 'resp', address: '127.0.0.1' })
    expect(lines.at(-1)).toMatchObject({
      protocol: 'resp',
      command: 'throttle.check',
      actor: 'gate',
      key: expect.stringMatching(/^[0-9a-f]{12}$/),
    })
    expect(JSON.stringify(lines)).not.toContain('secret')
  })

  it('has fifty failed logins, over HTTP and RESP together, and is never refused with a valid token', async () => {
    const http = given.app.as({ authorization: 'Bearer wrong' })
    const checks = () => Promise.all(Array.from({ length: 30 }, () => http.check('user:1')))
    await checks()
    const { client } = connection
    for (let i = 0; i < 100; i++) client.send('AUTH', `wrong-${i}`)
    const replies = await client.take(100)
    expect(new Set(replies.map(reply => String(reply).split(' ')[0]))).toEqual(
      new Set(['-WRONGPASS', '-TOO-MANY-FAILED-LOGINS']),
    )
    expect((await checks()).map(({ status }) => status)).toContain(429)
    expect(await ask('AUTH', CHECKER)).toBe('OK')
  })
})

describe('an HTTP request', () => {
  const check = 'THROTTLE.CHECK victim TOKENS 40\r\n'
  const head = `Host: 127.0.0.1\r\nContent-Type: text/plain\r\nContent-Length: ${check.length}\r\n\r\n`

  it.each(['POST', 'GET', 'PUT', 'HEAD', 'OPTIONS'])(
    '%s ends the connection before anything in it is run, and is logged',
    async method => {
      lines.length = 0
      // The failed logins of other tests may have used up the lines of this second.
      await eventually(async () => {
        const client = await RespClient.connect(given.app.respPort)
        client.socket.write(`${frameOf('AUTH', CHECKER)}${method} / HTTP/1.1\r\n${head}${check}`)
        await client.closed
        expect(client.replies).toEqual(['OK', '-ERR Protocol error: this port speaks RESP, not HTTP'])
        expect(lines.find(({ msg }) => String(msg).startsWith('an HTTP request'))).toMatchObject({
          protocol: 'resp',
          address: '127.0.0.1',
        })
      })
    },
  )

  it('is none if an array of words looks like one', async () => {
    await ask('AUTH', CHECKER)
    expect(await ask('GET', '/', 'HTTP/1.1')).toMatch(/^-ERR unknown command 'GET'/)
    expect(await ask('POST')).toMatch(/^-ERR unknown command 'POST'/)
  })
})

describe('an overloaded process', () => {
  it('refuses checks, and says so', async () => {
    const client = await RespClient.connect(given.app.respPort)
    await client.ask('AUTH', CHECKER)
    isOverloaded = true
    client.send('THROTTLE.CHECK', 'a')
    client.send('PING')
    client.send('CL.THROTTLE', 'a', '1', '1', '1')
    const refused = '-OVERLOADED the event loop lags by more than EVENT_LOOP_LAG_MS allows'
    expect(await client.take(3)).toEqual([refused, 'PONG', refused])
    isOverloaded = false
    client.end()
  })
})

describe('while the bucket store is unavailable', () => {
  const apps = new Map<string, TestApp>()
  beforeAll(async () => {
    const urls = { REDIS_URL: 'redis://127.0.0.1:1', CONFIG_REDIS_URL: given.store.url }
    const start = async (onStoreFailure: string) => {
      const own = { RESP_PORT: '0', WEB_CONCURRENCY: '1', ON_STORE_FAILURE: onStoreFailure, LOG_LEVEL: 'silent' }
      apps.set(onStoreFailure, await TestApp.start(given.store, { variables: { ...urls, ...own }, worker: false }))
    }
    await Promise.all(['local', 'allow', 'deny'].map(start))
  })
  afterAll(() => Promise.all([...apps.values()].map(app => app.close())))

  it.each<[string, unknown, unknown]>([
    ['local', [0, 5, 4, -1, 60], [1, 100, 99, 0, expect.any(Number), 'default', 'local']],
    ['allow', [0, 5, -1, -1, -1], [1, 100, -1, 0, -1, 'default', 'outage']],
    ['deny', expect.stringMatching(/^-STORE-UNAVAILABLE /), expect.stringMatching(/^-STORE-UNAVAILABLE /)],
  ])('ON_STORE_FAILURE=%s decides where no policy says otherwise', async (mode, throttled, checked) => {
    const client = await RespClient.connect(apps.get(mode)?.respPort ?? 0)
    expect(await client.ask('CL.THROTTLE', 'a', '4', '1', '60')).toEqual(throttled)
    expect(await client.ask('THROTTLE.CHECK', 'b')).toEqual(checked)
    client.end()
  })
})
