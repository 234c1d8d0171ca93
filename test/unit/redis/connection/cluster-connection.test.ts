import { once } from 'node:events'
import { afterEach, expect, it } from '@jest/globals'
import { ReplyError } from 'ioredis'
import { ClusterConnection } from '../../../../src/redis/connection/cluster-connection.ts'

let connection: ClusterConnection
afterEach(() => connection.disconnect())

/** What becomes of a command that failed, without a delay. */
function outcomeOf(message: string): string[] {
  const seen: string[] = []
  const handler = (name: string) => (detail: unknown) => void seen.push(`${name} ${String(detail)}`)
  connection.handleError(
    new ReplyError(message),
    {},
    {
      moved: (slot: string, address: string) => void seen.push(`moved ${slot} ${address}`),
      ask: (slot: string, address: string) => void seen.push(`ask ${slot} ${address}`),
      tryagain: handler('tryagain'),
      clusterDown: handler('clusterDown'),
      connectionClosed: handler('connectionClosed'),
      maxRedirections: handler('rejected:'),
      defaults: () => void seen.push('rejected'),
    },
  )
  return seen
}

function givenConnection(): void {
  const options = { lazyConnect: true, retryDelayOnClusterDown: 0, retryDelayOnFailover: 0 }
  connection = new ClusterConnection([{ host: '127.0.0.1', port: 1 }], options)
  connection.on('error', () => undefined)
}

it.each(['MOVED 12182 :0', 'MOVED 12182 ?:0', 'MOVED 12182 :6379', 'ASK 12182 :0', 'MOVED 12182 10.0.0.1:0'])(
  'a cluster connection does not follow %j, which names no address',
  message => {
    givenConnection()
    expect(outcomeOf(message)).toEqual(['rejected'])
    expect(connection.nodes()).toEqual([])
  },
)

it.each([
  ['MOVED 12182 10.0.0.1:7000', 'moved 12182 10.0.0.1:7000'],
  ['ASK 12182 redis-2.internal:6379', 'ask 12182 redis-2.internal:6379'],
  ['MOVED 12182 2001:db8::1:7000', 'moved 12182 2001:db8::1:7000'],
])('a cluster connection follows %j', (message, outcome) => {
  givenConnection()
  expect(outcomeOf(message)).toEqual([outcome])
})

it('a cluster connection follows no redirection while it disconnects', () => {
  givenConnection()
  connection.status = 'disconnecting'
  expect(outcomeOf('MOVED 12182 10.0.0.1:7000')).toEqual(['rejected: Error: Connection is closed.'])
})

it('a cluster connection that is told to end while it connects emits "end"', async () => {
  givenConnection()
  connection.status = 'connecting'
  const ended = once(connection, 'end')
  connection.disconnect()
  await ended
  expect(connection.status).toBe('end')
})
