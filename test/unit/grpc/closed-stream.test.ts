import { once } from 'node:events'
import { connect, createServer, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { releaseClosed } from '../../../src/grpc/closed-stream.ts'

const server = createServer()
beforeAll(async () => {
  await once(server.listen(0, '127.0.0.1'), 'listening')
})
afterAll(() => {
  server.close()
})

/** A stream of the server that has closed after its response, or without one. */
async function closedStream(answer: (stream: ServerHttp2Stream) => void): Promise<ServerHttp2Stream> {
  const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  const request = session.request({ ':method': 'POST' })
  request.on('error', () => undefined).resume()
  const [stream] = (await once(server, 'stream')) as [ServerHttp2Stream]
  stream.on('error', () => undefined).resume()
  answer(stream)
  request.end('body')
  await new Promise(resolve => stream.once('close', resolve))
  session.destroy()
  return stream
}

const respond = (stream: ServerHttp2Stream) => {
  stream.respond({ ':status': 200, 'x-field': 'value' }, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-trailer': 'value' }))
  stream.end('response')
}

it.each([
  ['was reset', (stream: ServerHttp2Stream) => stream.close(8)],
  ['was answered', respond],
  ['failed', (stream: ServerHttp2Stream) => stream.destroy(new Error('failed'))],
])('leaves a stream that %s without listeners and fields, closed and destroyed', async (_name, answer) => {
  const stream = await closedStream(answer)
  stream.on('end', () => undefined)
  releaseClosed(stream)
  expect(stream.listenerCount('end')).toBe(0)
  expect([stream.sentHeaders, stream.sentTrailers]).toEqual([undefined, undefined])
  expect([stream.closed, stream.destroyed, stream.writable, stream.writableLength]).toEqual([true, true, false, 0])
})

it('lets later uses of the stream fail as those of any closed stream do', async () => {
  const stream = await closedStream(respond)
  releaseClosed(stream)
  const write = new Promise(resolve => stream.write('more', resolve))
  await expect(write).resolves.toMatchObject({ code: 'ERR_STREAM_DESTROYED' })
  expect(() => stream.respond({ ':status': 200 })).toThrow(/invalid|destroyed/i)
  expect(stream.destroy()).toBe(stream)
  stream.on('finish', () => undefined)
  expect(stream.listenerCount('finish')).toBe(1)
})

it('shares no listener between streams', async () => {
  const [one, other] = [await closedStream(respond), await closedStream(respond)]
  for (const stream of [one, other]) releaseClosed(stream)
  one.on('finish', () => undefined)
  expect(other.listenerCount('finish')).toBe(0)
})
