import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { expect, it } from '@jest/globals'
import { garbageOf } from '../../support/garbage.ts'
import { TestGrpcServer } from '../../support/grpc-server.ts'
import { framed } from '../../support/http2-client.ts'
import { HeldChecker } from '../../support/resp-server.ts'

/** The domain `edge`, with the descriptor `a`=`b`. */
const REQUEST = framed(Buffer.from('0a04656467651208' + '0a060a01611201' + '62', 'hex'))

const CONCURRENT = 16
const CALLS = 2_048

/**
 * A call that stays has several thousand, in its streams, requests and responses. Of each field, node:http2 leaves up to 64. Node.js 24 also
 * keeps the stream itself, without what it refers to.
 */
const MAX_BYTES_PER_CALL = process.versions.node.startsWith('20.') ? 600 : 1_200

/** A client with a heap of its own. It makes as many calls as a message says, and then sends a message. */
const CLIENT = `
  const { parentPort, workerData } = require('node:worker_threads')
  const session = require('node:http2').connect('http://127.0.0.1:' + workerData.port)
  const path = '/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit'
  const call = () => new Promise((resolve, reject) => {
    const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' })
    stream.on('error', reject).on('end', resolve).resume().end(workerData.request)
  })
  parentPort.on('message', async calls => {
    let left = calls
    const callOn = async () => { while (left-- > 0) await call() }
    await Promise.all(Array.from({ length: workerData.concurrent }, callOn))
    parentPort.postMessage('done')
  })`

/** Beside other suites, the heap of this process is not the test's own, so only `npm run test:long` measures it. */
const itLong = process.env['TEST_LONG'] === undefined ? it.skip : it

itLong('leaves no call in memory until the old generation is collected', async () => {
  const server = await TestGrpcServer.start(new HeldChecker())
  const workerData = { port: server.port, request: REQUEST, concurrent: CONCURRENT }
  const client = new Worker(CLIENT, { eval: true, workerData })
  const bytes = await garbageOf(CALLS, async count => {
    client.postMessage(count)
    await once(client, 'message')
  })
  await client.terminate()
  await server.close()
  expect(bytes).toBeLessThan(MAX_BYTES_PER_CALL)
})
