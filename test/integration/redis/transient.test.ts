import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from '@jest/globals'
import { Cluster, Redis } from 'ioredis'
import { ConnectionLost, isTransient } from '../../../src/redis/connection/transient.ts'
import { freePort } from '../../support/free-port.ts'

const closers: (() => unknown)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

/** Starts a server that handles each connection in this way. Resolves with its port. */
async function givenServer(serve: (socket: Socket) => void): Promise<number> {
  const sockets: Socket[] = []
  const server = createServer(socket => {
    sockets.push(socket.on('error', () => undefined))
    serve(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return (server.address() as AddressInfo).port
}

interface ClientOptions {
  readonly commandTimeout?: number
  readonly socketTimeout?: number
  readonly enableReadyCheck?: boolean
  readonly enableOfflineQueue?: boolean
  readonly maxRetriesPerRequest?: number
  readonly retryStrategy?: () => number
}

function client(port: number, options: ClientOptions = {}): Redis {
  const redis = new Redis({
    port,
    host: '127.0.0.1',
    lazyConnect: true,
    retryStrategy: () => null,
    disconnectTimeout: 10,
    ...options,
  })
  redis.on('error', () => undefined)
  closers.push(() => redis.disconnect())
  return redis
}

const reasonOf = (asked: Promise<unknown>): Promise<Error> =>
  asked.then(
    () => {
      throw new Error('it did not fail')
    },
    (err: Error) => err,
  )

const silent = () => givenServer(() => undefined)

/** Calls that fail as real connections do. */
const LOSSES: [what: string, ask: () => Promise<unknown>][] = [
  ['refuses connections', async () => client(await freePort()).connect()],
  ['closes connections', async () => client(await givenServer(socket => socket.destroy())).get('k')],
  ['answers no command in time', async () => client(await silent(), { commandTimeout: 50 }).get('k')],
  ['sends nothing at all', async () => client(await silent(), { socketTimeout: 50 }).get('k')],
  [
    'is not connected yet',
    async () => {
      const redis = client(await silent(), { enableOfflineQueue: false })
      redis.connect().catch(() => undefined)
      return redis.get('k')
    },
  ],
  [
    'is given up after some attempts',
    async () => client(await freePort(), { maxRetriesPerRequest: 0, retryStrategy: () => 10 }).get('k'),
  ],
  [
    'answers in another protocol',
    async () => client(await givenServer(socket => socket.write('HTTP/1.1\r\n'))).get('k'),
  ],
  [
    'discards a transaction because it is loading its data',
    async () => {
      const replies: Readonly<Record<string, string>> = {
        get: '-LOADING Redis is loading the dataset in memory',
        exec: '-EXECABORT Transaction discarded because of previous errors.',
      }
      const port = await givenServer(socket =>
        socket.on('data', sent => {
          const commands = String(sent).matchAll(/^\*\d+\r\n\$\d+\r\n(\w+)/gm)
          for (const [, name = ''] of commands) socket.write(`${replies[name] ?? '+OK'}\r\n`)
        }),
      )
      return client(port, { enableReadyCheck: false }).multi().get('k').exec()
    },
  ],
  [
    'is a cluster of which no node answers',
    async () => {
      const cluster = new Cluster([{ host: '127.0.0.1', port: await freePort() }], {
        clusterRetryStrategy: () => null,
        lazyConnect: true,
      })
      cluster.on('error', () => undefined)
      closers.push(() => cluster.disconnect())
      return cluster.get('k')
    },
  ],
]

describe('an error is transient when the store', () => {
  it.each(LOSSES)('%s', async (_, ask) => {
    const err = await reasonOf(ask())
    expect([err.name, err.message, isTransient(err)]).toEqual([err.name, err.message, true])
  })

  it.each([
    'LOADING Redis is loading the dataset in memory',
    'OOM command not allowed when used memory > maxmemory',
    'READONLY You can not write against a read only replica.',
    'ERR Script attempted to execute a write command while the cluster is down and readonly',
    'ERR max number of clients reached',
    'EXECABORT Transaction discarded because of: OOM command not allowed',
    'ERR Error running script (call to f_085b95): @user_script:1: @user_script: 1: -OOM command not allowed',
    'ERR Error running script (call to f_085b95): @user_script:9: user_script:9: @user_script: 8: -NOREPLICAS Not enough good replicas',
    '@user_script: 12: -READONLY You can not write against a read only replica.',
  ])('answers %j', message => {
    expect(isTransient(Object.assign(new Error(message), { name: 'ReplyError' }))).toBe(true)
  })

  it('refuses connections, as Node reports it', async () => {
    const redis = client(await freePort())
    redis.connect().catch(() => undefined)
    const [err] = await once(redis, 'error')
    expect([err.code, isTransient(err)]).toEqual(['ECONNREFUSED', true])
  })

  it('is disconnected, as the service itself has noticed', () => {
    expect(isTransient(new ConnectionLost('the connection to Redis is lost'))).toBe(true)
  })
})

describe('an error is not transient when it is', () => {
  it.each([
    ['a bug', new Error('something was not as expected')],
    ['a TypeError', new TypeError("Cannot read properties of undefined (reading 'key')")],
    ['invalid JSON', new SyntaxError('Unexpected end of JSON input')],
    ['a missing file', Object.assign(new Error('ENOENT: no such file'), { code: 'ENOENT', syscall: 'open' })],
    [
      'a command for a key of another type',
      Object.assign(new Error('WRONGTYPE Operation against a key'), { name: 'ReplyError' }),
    ],
    [
      'a transaction without the right to run one of its commands',
      Object.assign(new Error('EXECABORT Transaction discarded because of previous errors.'), {
        name: 'ReplyError',
        previousErrors: [Object.assign(new Error('NOPERM this user has no permissions'), { name: 'ReplyError' })],
      }),
    ],
    ['an error in a script', Object.assign(new Error('ERR user_script:3: attempt to index'), { name: 'ReplyError' })],
  ])('%s', (_, err) => {
    expect(isTransient(err)).toBe(false)
  })
})
