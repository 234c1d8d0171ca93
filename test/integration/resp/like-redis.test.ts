import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { describeWithRedis } from '../../support/describe-with-redis.ts'
import { RedisServer } from '../../support/redis-server.ts'
import { frameOf, RespClient } from '../../support/resp-client.ts'
import { givenApp } from '../http/given-app.ts'

const given = givenApp({ variables: { RESP_PORT: '0' } })

describeWithRedis('like Redis', () => {
  let redis: RedisServer
  beforeAll(async () => {
    redis = await RedisServer.start()
  })
  afterAll(() => redis.stop())

  /** What a server sends to a client that sends these bytes and then shuts down its side. */
  async function answerOf(port: number, bytes: string | Buffer): Promise<string> {
    const { socket } = await RespClient.connect(port)
    let text = ''
    socket.on('data', chunk => {
      text += chunk.toString('latin1')
    })
    socket.write(bytes)
    socket.write(frameOf('QUIT'))
    await new Promise(resolve => socket.once('close', resolve))
    return text
  }

  it.each<[string, string | Buffer]>([
    ['PING', frameOf('PING')],
    ['PING with a message', frameOf('ping', 'hello')],
    ['PING with two messages', frameOf('PING', 'a', 'b')],
    ['ECHO of any bytes', frameOf('ECHO', Buffer.from([0, 13, 10, 255]))],
    ['ECHO of nothing', frameOf('ECHO', '')],
    ['ECHO without a message', frameOf('ECHO')],
    ['SELECT 0', frameOf('SELECT', '0')],
    ['SELECT of another database', frameOf('SELECT', '99')],
    ['SELECT of something else', frameOf('SELECT', 'zero')],
    ['SELECT of nothing', frameOf('SELECT')],
    ['a name with a space', frameOf('CLIENT', 'SETNAME', 'a b')],
    ['a name', Buffer.concat([frameOf('CLIENT', 'SETNAME', 'a'), frameOf('CLIENT', 'GETNAME')])],
    ['no name', frameOf('CLIENT', 'GETNAME')],
    ['CLIENT without a subcommand', frameOf('CLIENT')],
    ['CLIENT with an unknown subcommand', frameOf('CLIENT', 'NOTHING')],
    ['CLIENT ID with an argument', frameOf('CLIENT', 'ID', '1')],
    ['HELLO 4', frameOf('HELLO', '4')],
    ['HELLO of something else', frameOf('HELLO', 'three')],
    ['an unknown option of HELLO', frameOf('HELLO', '3', 'nothing')],
    ['RESET', frameOf('RESET')],
    ['RESET with an argument', frameOf('RESET', '1')],
    ['an unknown command', frameOf('NOTHING', 'a b', 'c'.repeat(200), 'd')],
    ['an unknown command of any bytes', frameOf(Buffer.from('é\r\n'), 'a\r\nb')],
    ['an unknown command with a long name', frameOf('n'.repeat(300))],
    ['AUTH with too many arguments', frameOf('AUTH', 'a', 'b', 'c')],
    ['inline commands', "PING\r\nECHO \"a \\x41\\n\"  \nECHO 'it\\'s'\r\n"],
    ['empty commands', '\r\n*0\r\n*-1\r\n\n  \r\nPING\r\n'],
    ['unbalanced quotes', 'ECHO "a\r\n'],
    ['a word after a quote', 'ECHO "a"b\r\n'],
    ['an invalid number of words', '*x\r\n'],
    ['too many words', '*3000000000\r\n'],
    ['an invalid type of a word', '*1\r\n:1\r\n'],
    ['an invalid length of a word', '*1\r\n$x\r\n'],
    ['a negative length of a word', '*1\r\n$-1\r\n'],
    ['the length of a word above any limit', '*1\r\n$2000000000\r\n'],
  ])('%s', async (_name, bytes) => {
    expect(await answerOf(given.app.respPort, bytes)).toBe(await answerOf(redis.port, bytes))
  })
})
